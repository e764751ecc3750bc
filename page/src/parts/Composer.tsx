// Where a person writes, and says how hard to think and what it may cost.
import { useState } from "react";
import type { Budget, Model } from "../api";
import { dollars, seconds, short, whole, type Language } from "../format";
import type { Choices } from "../remember";
import { most, type Most } from "../spend";
import { useLanguage, useWords } from "../words";
import type { Words } from "../words/en";
import { PopOver } from "./PopOver";

type Given = {
  served: Model[];
  chosen: Choices;
  change: (part: Partial<Choices>) => void;
  ask: (question: string) => void;
  busy: boolean;
  stop: () => void;
};

/** The effort that was chosen, where this model has it; else the model's own. */
export function effortOf(model: Model | undefined, chosen: Choices): string {
  const efforts = model?.system2?.efforts;
  if (chosen.effort && (!efforts || efforts.includes(chosen.effort))) return chosen.effort;
  return model?.system2?.default_effort ?? efforts?.[0] ?? "medium";
}

export function Composer({ served, chosen, change, ask, busy, stop }: Given) {
  const words = useWords();
  const language = useLanguage();
  const [text, setText] = useState("");
  const model = served.find((one) => one.id === chosen.model) ?? served[0];
  const effort = effortOf(model, chosen);
  const efforts = model?.system2?.efforts ?? [effort];
  const limit = most(model, effort, chosen.budget);
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
          aria-describedby="most"
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
            <select className="effort" value={effort} onChange={(event) => change({ effort: event.target.value })}>
              {efforts.map((one) => <option key={one} value={one}>{words.efforts[one] ?? one}</option>)}
            </select>
          </label>
          <PopOver
            className="budget"
            label={words.budget}
            name={<><span className="soft">{words.budget}</span> {said(chosen.budget, words, language)}</>}
          >
            {(shut) => (
              <>
                <BudgetFields budget={chosen.budget} change={(budget) => change({ budget })} done={shut} />
                <div className="acts">
                  <button type="button" disabled={!Object.keys(chosen.budget).length} onClick={() => (change({ budget: {} }), shut())}>{words.clear}</button>
                  <button type="button" className="main" onClick={shut}>{words.ready}</button>
                </div>
              </>
            )}
          </PopOver>
          {busy ? (
            <button key="stop" type="button" className="send halt" onClick={() => (stop(), document.getElementById("ask")?.focus())} aria-label={words.stop} title={`${words.stop} (Esc)`} />
          ) : (
            <button key="send" className="send" disabled={!text.trim() || !model} aria-label={words.send} title={words.send} />
          )}
        </div>
      </div>
      <p id="most" className="most soft">{model && told(limit, words, language)}</p>
    </form>
  );
}

/** A budget in short. */
function said(budget: Budget, words: Words, language: Language): string {
  const parts = [
    budget.tokens && words.nTokens(budget.tokens, short(budget.tokens, language)),
    budget.usd && dollars(budget.usd, language),
    budget.seconds && seconds(budget.seconds * 1000, language),
  ].filter(Boolean);
  return parts.join(" · ") || words.noBudget;
}

/** What it may cost at most, in a sentence. */
function told(limit: Most, words: Words, language: Language): string {
  const parts = [
    limit.tokens !== null && words.nTokens(limit.tokens, whole(limit.tokens, language)),
    limit.usd !== null && limit.usd > 0 && dollars(limit.usd, language),
    limit.seconds !== null && seconds(limit.seconds * 1000, language),
  ].filter((part) => part !== false);
  if (!parts.length) return "";
  const rest = limit.usd === null ? words.unpriced : limit.usd === 0 ? words.costsNothing : limit.capped ? "" : words.sentToo;
  return words.most(parts.join(" · ")) + rest;
}

const FIELDS = [["tokens", "tokens", 1], ["usd", "dollars", 0.01], ["seconds", "seconds", 1]] as const;

/** `done`: Enter was pressed. */
export function BudgetFields({ budget, change, done }: { budget: Budget; change: (budget: Budget) => void; done: () => void }) {
  const words = useWords();
  return (
    <div className="fields">
      {FIELDS.map(([name, word, least]) => (
        <label key={name}>
          <span>{words[word]}</span>
          <input
            type="number"
            inputMode={name === "usd" ? "decimal" : "numeric"}
            min={least}
            step={name === "usd" ? "any" : 1}
            value={budget[name] ?? ""}
            placeholder={words.none}
            onKeyDown={(event) => {
              if (event.key !== "Enter") return;
              event.preventDefault(); // it ends the entry, and sends no question
              done();
            }}
            onChange={(event) => {
              const { [name]: _, ...rest } = budget;
              const value = name === "usd" ? Number(event.target.value) : Math.floor(Number(event.target.value));
              change(event.target.value && value > 0 ? { ...rest, [name]: value } : rest);
            }}
          />
        </label>
      ))}
    </div>
  );
}
