// RoBERTa as a host.

export { RobertaForMaskedLM } from "./maskedLM.js";
export { RobertaModel } from "./model.js";
export { RobertaForSequenceClassification } from "./sequenceClassification.js";
export { RobertaForTokenClassification } from "./tokenClassification.js";
