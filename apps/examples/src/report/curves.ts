// The curves of a run: loss and accuracy over the steps, every method in its colour, as one SVG document.
import * as Plot from "@observablehq/plot";
import { PeftError } from "@peft/core";
import { parseHTML } from "linkedom";
import { escapeXml, FONT_FAMILY, textWidth } from "./svg.js";

export interface CurvePoint {
  method: string;
  seed: number;
  /** Optimizer steps taken so far. */
  step: number;
  split: "train" | "validation";
  loss?: number;
  /** 0 to 1. */
  accuracy?: number;
}

export interface CurvesOptions {
  title: string;
  points: readonly CurvePoint[];
}

// Okabe and Ito's palette, told apart by the colour-blind too; more methods than colours go round again.
const PALETTE = ["#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000"];
const PANEL_WIDTH = 460;
const PANEL_HEIGHT = 320;
const MARGIN = 24;
const HEADER = 74;
// More points than a panel has room for are averaged: a batch's loss is noise from step to step.
const MOST_POINTS = 60;
// A browser without Source Sans 3 draws the legend in the system's font, which may be this much wider.
const OTHER_FONT = 1.15;

interface Mean {
  method: string;
  step: number;
  mean: number;
  low: number;
  high: number;
}

/**
 * Mean over the seeds as a line, least and largest as a band. The loss is that of training where there is one, else of
 * validation; the accuracy likewise of validation first.
 * @throws PeftError `ARGUMENT_INVALID` without points
 */
export function renderCurves({ title, points }: CurvesOptions): string {
  if (points.length === 0) throw new PeftError("ARGUMENT_INVALID", "There are no points to draw");
  const methods = [...new Set(points.map((point) => point.method))];
  const lastStep = Math.max(...points.map((point) => point.step));
  const loss = pick(points, "loss", ["train", "validation"]);
  const accuracy = pick(points, "accuracy", ["validation", "train"]);
  const panels = [
    loss && panel(methods, lastStep, loss.means, `${loss.split === "train" ? "training" : "validation"} loss`, false),
    accuracy && panel(methods, lastStep, accuracy.means, `${accuracy.split} accuracy in %`, true),
  ].filter((svg) => svg !== undefined);
  const width = 2 * MARGIN + panels.length * PANEL_WIDTH + (panels.length - 1) * MARGIN;
  const height = HEADER + PANEL_HEIGHT + MARGIN;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="'${FONT_FAMILY}', system-ui, sans-serif">
<rect width="100%" height="100%" fill="#fff"/>
<text x="${MARGIN}" y="34" font-size="18" font-weight="600" fill="#1f2328">${escapeXml(title)}</text>
${legend(methods)}
${panels.map((svg, i) => `<g transform="translate(${MARGIN + i * (PANEL_WIDTH + MARGIN)} ${HEADER})">${svg}</g>`).join("\n")}
</svg>
`;
}

type Split = CurvePoint["split"];

function pick(points: readonly CurvePoint[], key: "loss" | "accuracy", order: Split[]) {
  for (const split of order) {
    const chosen = points.filter((point) => point.split === split && Number.isFinite(point[key]));
    if (chosen.length > 0) return { split, means: average(chosen, key) };
  }
  return undefined;
}

// One value a method and stretch of steps: the mean over seeds of each seed's mean, with the seeds' least and largest.
function average(points: readonly CurvePoint[], key: "loss" | "accuracy"): Mean[] {
  const result: Mean[] = [];
  for (const [method, own] of groupBy(points, (point) => point.method)) {
    const steps = [...new Set(own.map((point) => point.step))].sort((a, b) => a - b);
    const stretch = Math.ceil(steps.length / MOST_POINTS);
    const bucketOf = new Map(steps.map((step, i) => [step, Math.floor(i / stretch)]));
    for (const group of groupBy(own, (point) => bucketOf.get(point.step)!).values()) {
      const seeds = [...groupBy(group, (point) => point.seed).values()].map((one) => meanOf(one.map((p) => p[key]!)));
      result.push({
        method,
        step: meanOf(group.map((point) => point.step)),
        mean: meanOf(seeds),
        low: Math.min(...seeds),
        high: Math.max(...seeds),
      });
    }
  }
  return result.sort((a, b) => a.step - b.step);
}

function panel(methods: string[], lastStep: number, means: Mean[], label: string, percent: boolean): string {
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const figure = Plot.plot({
    document: document as unknown as Document,
    width: PANEL_WIDTH,
    height: PANEL_HEIGHT,
    marginLeft: 46,
    marginBottom: 40,
    style: { fontFamily: "inherit", fontSize: "12px", background: "none" },
    color: { domain: methods, range: methods.map(colorOf) },
    x: { label: "step", labelAnchor: "center", labelArrow: "none", domain: [0, lastStep], nice: true, ticks: 6 },
    y: { label, labelArrow: "none", grid: true, nice: true, percent, zero: false, tickSize: 0 },
    marks: [
      Plot.areaY(means, { x: "step", y1: "low", y2: "high", z: "method", fill: "method", fillOpacity: 0.14 }),
      Plot.lineY(means, { x: "step", y: "mean", z: "method", stroke: "method", strokeWidth: 2, curve: "monotone-x" }),
      Plot.dot(lastOf(means), { x: "step", y: "mean", fill: "method", r: 3 }),
    ],
  });
  // As a part of a document of ours it needs no namespaces of its own.
  return figure.outerHTML;
}

function lastOf(means: Mean[]): Mean[] {
  return [...groupBy(means, (mean) => mean.method).values()].map((own) => own.at(-1)!);
}

function legend(methods: string[]): string {
  let x = MARGIN;
  return methods
    .map((method, i) => {
      const entry = `<rect x="${x}" y="48" width="18" height="4" rx="2" fill="${colorOf(method, i)}"/><text x="${x + 24}" y="54" font-size="13" fill="#1f2328">${escapeXml(method)}</text>`;
      x += 24 + textWidth(method, 13) * OTHER_FONT + 22;
      return entry;
    })
    .join("\n");
}

function colorOf(_method: string, index: number): string {
  return PALETTE[index % PALETTE.length]!;
}

// Node 20 has no Map.groupBy.
function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

function meanOf(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
