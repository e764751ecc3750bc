// The runs, newest first; two of them can be chosen and compared.
import { useEffect, useMemo, useState } from "react";
import { runs, type Row } from "../api";
import { dollars, seconds, short, when } from "../format";
import { useLanguage, useWords } from "../words";

export function Runs() {
  const words = useWords();
  const language = useLanguage();
  const [rows, setRows] = useState<Row[] | null>(null);
  const [more, setMore] = useState(false);
  const [text, setText] = useState("");
  const [state, setState] = useState("");
  const [two, setTwo] = useState<string[]>([]);
  const [trouble, setTrouble] = useState("");

  const load = (after?: string) =>
    runs(after).then(
      (found) => {
        setRows((now) => [...(after ? (now ?? []) : []), ...found.data]);
        setMore(found.has_more);
      },
      (error: Error) => setTrouble(error.message),
    );
  useEffect(() => void load(), []);
  const shown = useMemo(() => {
    const sought = text.trim().toLowerCase();
    return (rows ?? []).filter(
      (row) =>
        (!state || row.status === state) &&
        (!sought || [row.question, row.answer, row.model, row.effort, row.id].some((part) => part?.toLowerCase().includes(sought))),
    );
  }, [rows, text, state]);
  const pick = (id: string) => setTwo((now) => (now.includes(id) ? now.filter((one) => one !== id) : [...now, id].slice(-2)));
  const states = [...new Set((rows ?? []).map((row) => row.status))];
  return (
    <main className="runs">
      <div className="tools">
        <h1>{words.runs}</h1>
        <input type="search" placeholder={words.filter} aria-label={words.filter} value={text} onChange={(event) => setText(event.target.value)} />
        <select aria-label={words.status} value={state} onChange={(event) => setState(event.target.value)}>
          <option value="">{words.allStates}</option>
          {states.map((one) => <option key={one} value={one}>{words.states[one] ?? one}</option>)}
        </select>
        {two.length === 2 ? (
          <a className="main" href={`#/compare/${two.map(encodeURIComponent).join("/")}`}>{words.compare}</a>
        ) : (
          <span className="soft">{words.compareHint}</span>
        )}
      </div>
      {trouble && <p className="wrong" role="alert">{trouble}</p>}
      {rows?.length === 0 && <p className="soft">{words.noRuns}</p>}
      <ul>
        {shown.map((row) => (
          <li key={row.id} className={two.includes(row.id) ? "picked" : undefined}>
            <input type="checkbox" checked={two.includes(row.id)} onChange={() => pick(row.id)} aria-label={`${words.choose}: ${row.question}`} />
            <a href={`#/runs/${encodeURIComponent(row.id)}`}>
              <span className="what">{row.question}</span>
              <span className="came">{row.answer ?? ""}</span>
              <span className="facts">
                <span className={`state ${row.status}`}>{words.states[row.status] ?? row.status}</span>
                {row.effort && <span>{words.efforts[row.effort] ?? row.effort}</span>}
                {row.tokens !== null && <span>{words.nTokens(short(row.tokens, language))}</span>}
                {row.cost_usd !== null && <span>{Number(row.cost_usd) ? dollars(Number(row.cost_usd), language) : words.free}</span>}
                {row.seconds !== null && <span>{seconds(row.seconds * 1000, language)}</span>}
                <span>{when(row.created_at, language)}</span>
              </span>
            </a>
          </li>
        ))}
      </ul>
      {more && rows && <button onClick={() => void load(rows[rows.length - 1]?.id)}>{words.older}</button>}
    </main>
  );
}
