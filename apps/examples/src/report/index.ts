export { type CurvePoint, type CurvesOptions, renderCurves } from "./curves.js";
export { type Progress, type ProgressOptions, startProgress } from "./progress.js";
export { renderSheet, type SheetOptions, type Tile } from "./sheet.js";
export {
  type MethodSummary,
  type RunSummary,
  readSummary,
  SUMMARY_FILE,
  SummarySchema,
  spread,
  summarizeMethod,
  writeSummary,
} from "./summary.js";
export { svgToPng } from "./svg.js";
export { formatAccuracy, formatTable, layOut, type TableOptions } from "./table.js";
