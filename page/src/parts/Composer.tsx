// Where a person writes, and says how hard to think and what it may cost.
import { useState } from "react";
import type { Budget, Model } from "../api";
import { dollars, whole, type Language } from "../format";
import type { Choices } from "../remember";
import { useLanguage, useWords } from "../words";
import type { Words } from "../words/en";

type Given = {
  served: Model[];
  chosen: Choices;
  change: (part: Partial<Choices>) => void;
  ask: (question: string) => void;
  busy: boolean;
  stop: () => void;
};

export function Composer({ served, chosen, change, ask, busy, stop }: Given) {
  const words = useWords();
  const language = useLanguage();
  const [text, setText] = useState("");
  const model = served.find((one) => one.id === chosen.model) ?? served[0];
  const efforts = model?.system2?.efforts ?? [chosen.effort ?? "medium"];
  const effort = chosen.effort && efforts.includes(chosen.effort) ? chosen.effort : (model?.system2?.default_effort ?? efforts[0]!);
  const send = () => {
    const question = text.trim();
    if (!question || busy || !model) return;
    setText("");
    ask(question);
  };
  return (
    <form className="composer" onSubmit={(event) => (event.preventDefault(), send())}>
      <div className="box">
        <textarea
          id="ask"
          rows={1}
          value={text}
          placeholder={words.ask}
          aria-label={words.ask}
          autoFocus
          onChange={(event) => setText(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
              event.preventDefault();
              send();
            }
          }}
        />
        <div className="controls">
          {served.length > 1 && (
            <label>
              <span>{words.model}</span>
              <select value={model?.id} onChange={(event) => change({ model: event.target.value })}>
                {served.map((one) => <option key={one.id}>{one.id}</option>)}
              </select>
            </label>
          )}
          <label>
            <span>{words.effort}</span>
            <select value={effort} onChange={(event) => change({ effort: event.target.value })}>
              {efforts.map((one) => <option key={one} value={one}>{words.efforts[one] ?? one}</option>)}
            </select>
          </label>
          <details className="budget" onKeyDown={(event) => event.key === "Escape" && event.currentTarget.removeAttribute("open")}>
            <summary>
              <span>{words.budget}</span> {said(chosen.budget, words, language)}
            </summary>
            <BudgetFields budget={chosen.budget} change={(budget) => change({ budget })} />
          </details>
          {busy ? (
            <button type="button" className="send halt" onClick={stop} aria-label={words.stop} title={`${words.stop} (Esc)`} />
          ) : (
            <button className="send" disabled={!text.trim() || !model} aria-label={words.send} title={words.send} />
          )}
        </div>
      </div>
    </form>
  );
}

/** A budget in short. */
function said(budget: Budget, words: Words, language: Language): string {
  const parts = [
    budget.tokens && words.nTokens(whole(budget.tokens, language)),
    budget.usd && dollars(budget.usd, language),
    budget.seconds && `${whole(budget.seconds, language)} ${language === "zh" ? "秒" : "s"}`,
  ].filter(Boolean);
  return parts.join(" · ") || words.noBudget;
}

const FIELDS = [["tokens", "tokens", 1], ["usd", "dollars", 0.01], ["seconds", "seconds", 1]] as const;

export function BudgetFields({ budget, change }: { budget: Budget; change: (budget: Budget) => void }) {
  const words = useWords();
  return (
    <div className="fields">
      {FIELDS.map(([name, word, least]) => (
        <label key={name}>
          <span>{words[word]}</span>
          <input
            type="number"
            inputMode="decimal"
            min={least}
            step={name === "usd" ? "any" : 1}
            value={budget[name] ?? ""}
            placeholder={words.none}
            onChange={(event) => {
              const { [name]: _, ...rest } = budget;
              const value = Number(event.target.value);
              change(event.target.value && value > 0 ? { ...rest, [name]: value } : rest);
            }}
          />
        </label>
      ))}
    </div>
  );
}
