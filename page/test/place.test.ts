import { describe, expect, it } from "vitest";
import { FRESH, RUNS, addressOf, placeOf, type Place } from "../src/place";
import { most } from "../src/spend";

describe("an address", () => {
  it("names every place, and leads back to it", () => {
    const places: Place[] = [
      FRESH, RUNS, { page: "chat", chat: "a1", run: null }, { page: "chat", chat: "a1", run: "2026/x #1" }, { page: "run", run: "r%1" },
      { page: "compare", runs: ["a/b", "c?d"] }, { page: "runs", text: "24 & 7", state: "failed", two: ["r1", "r2"] },
    ];
    for (const place of places) expect(placeOf(addressOf(place))).toEqual(place);
  });
  it("that was written by hand breaks nothing", () => {
    for (const hash of ["#/nowhere", "#/compare/a", "#///"]) expect(placeOf(hash)).toEqual(FRESH);
    expect(placeOf("#/runs/%E0%A4%A")).toEqual({ page: "run", run: "%E0%A4%A" });
  });
});

describe("what a question may cost at most", () => {
  const model = { id: "m", pricing: { prompt: "0.000001", completion: "0.000008" }, system2: { budgets: { max: 524_288 } } };
  it("follows from the effort's budget and the price, unless a budget says less", () => {
    expect(most(model, "max", {})).toEqual({ tokens: 524_288, usd: 4.194304, capped: false, seconds: null });
    expect(most(model, "max", { tokens: 1_000 })).toMatchObject({ tokens: 1_000, usd: 0.008, capped: false });
    expect(most(model, "max", { usd: 0.5, seconds: 9 })).toMatchObject({ usd: 0.5, capped: true, seconds: 9 });
    expect(most(model, "max", { usd: 50 })).toMatchObject({ usd: 4.194304, capped: false });
  });
  it("is unknown where the price is, and nothing where it is nothing", () => {
    expect(most({ id: "m", pricing: null, system2: { budgets: { max: 5 } } }, "max", {})).toMatchObject({ tokens: 5, usd: null });
    expect(most({ ...model, pricing: { prompt: "0", completion: "0" } }, "max", { usd: 1 })).toMatchObject({ usd: 0, capped: false });
    expect(most({ id: "m" }, "max", {})).toEqual({ tokens: null, usd: null, capped: false, seconds: null });
  });
});
