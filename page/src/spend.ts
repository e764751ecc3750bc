// What a question may cost at most, before it is asked: its budget, that of its effort, and the model's price. Pure.
import type { Budget, Model } from "./api";

/** usd: dollars for what is written (what is sent comes on top, unless `capped`: all of it is under a cap of the
 * budget's own); null: the price is unknown. tokens: null: the server names no budget for this effort. */
export type Most = { tokens: number | null; usd: number | null; capped: boolean; seconds: number | null };

export function most(model: Model | undefined, effort: string, budget: Budget): Most {
  const tokens = budget.tokens ?? model?.system2?.budgets?.[effort] ?? null;
  const price = model?.pricing ? Number(model.pricing.completion) : null;
  const written = price === null ? null : price === 0 ? 0 : tokens === null ? null : tokens * price;
  const capped = budget.usd !== undefined && price !== 0 && (written === null || budget.usd <= written);
  return { tokens, usd: capped ? budget.usd! : written, capped, seconds: budget.seconds ?? null };
}
