// Scores of predictions against references, as pure functions over arrays and texts.

export { exactMatch, normalizeAnswer, tokenF1 } from "./answers.js";
export { averagePrecision, meanAveragePrecision } from "./averagePrecision.js";
export { captionTokens } from "./captionTokens.js";
export { type CaptionTokens, type CiderScore, ciderD } from "./cider.js";
export { accuracyScore, type F1Average, f1Score, matthewsCorrelation } from "./classification.js";
export { pearsonCorrelation, spearmanCorrelation } from "./correlation.js";
export { rocAucScore } from "./rocAuc.js";
export { type RougeKind, type RougeOptions, type RougeScore, rouge } from "./rouge.js";
export { normalizeVqaAnswer, vqaAccuracy } from "./vqaAccuracy.js";
