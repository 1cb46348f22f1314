import { PassThrough } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { describe, expect, it } from "vitest";
import { formatTable, summarizeMethod } from "../../src/report/index.js";
import { formatDuration, startProgress } from "../../src/report/progress.js";

const methods = [
  summarizeMethod({
    name: "linear probe",
    seeds: [0],
    accuracies: [0.71],
    parametersTrained: 1930,
    parametersDeployed: 1930,
    stepsPerSecond: 123.4,
  }),
  summarizeMethod({
    name: "MoSA",
    seeds: [0, 1],
    accuracies: [0.8, 0.82],
    parametersTrained: 123_456,
    parametersDeployed: 45_678,
    stepsPerSecond: 9.876,
  }),
];

describe("the final table", () => {
  it("is aligned, plain text by default", () => {
    expect(formatTable(methods)).toBe(
      [
        "method             accuracy   trained   deployed   steps/s",
        "─".repeat(58),
        "linear probe         71.0 %     1,930      1,930       123",
        "MoSA           81.0 ± 1.4 %   123,456     45,678      9.88",
      ].join("\n"),
    );
  });

  it("has the same text in colour", () => {
    const colored = formatTable(methods, { color: true });
    expect(colored).not.toBe(formatTable(methods));
    expect(stripVTControlCharacters(colored)).toBe(formatTable(methods));
  });
});

function recorder(isTTY: boolean) {
  const stream = new PassThrough() as unknown as NodeJS.WriteStream & PassThrough;
  Object.assign(stream, { isTTY, columns: 120, cursorTo() {}, clearLine() {}, clearScreenDown() {}, moveCursor() {} });
  return stream;
}

describe("progress", () => {
  it("is a line every so often where there is no terminal, and one at the end", () => {
    const stream = recorder(false);
    let time = 0;
    const progress = startProgress({ label: "MoSA, seed 0", total: 100, stream, now: () => time });
    for (let step = 1; step <= 100; step++) {
      time += 400;
      progress.update(step, `loss ${(1 / step).toFixed(2)}`);
    }
    progress.stop();
    expect(String(stream.read())).toBe(
      [
        "MoSA, seed 0  38%  38/100  2.50 steps/s  25s left  loss 0.03",
        "MoSA, seed 0  76%  76/100  2.50 steps/s  10s left  loss 0.01",
        "MoSA, seed 0  100%  100/100  2.50 steps/s  loss 0.01",
        "",
      ].join("\n"),
    );
  });

  it("is a bar with rate and time left at a terminal", () => {
    const stream = recorder(true);
    let time = 0;
    const progress = startProgress({ label: "MoSA", total: 10, stream, now: () => time });
    time = 1000;
    progress.update(5, "loss 0.5");
    progress.stop();
    progress.stop();
    expect(String(stream.read())).toMatch(/MoSA {2}█+░+ 50% {2}5\/10 {2}5\.00 steps\/s {2}1s left {2}loss 0\.5/);
  });

  it("says durations to the precision that matters", () => {
    expect([0.4, 42, 187, 7500].map(formatDuration)).toEqual(["0s", "42s", "3m07s", "2h05m"]);
  });
});
