// BERT as a host.

export { BertForMaskedLM } from "./maskedLM.js";
export { BertModel } from "./model.js";
export { BertForSequenceClassification } from "./sequenceClassification.js";
export { BertForTokenClassification } from "./tokenClassification.js";
