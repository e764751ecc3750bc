// The runs, newest first; two of them can be chosen and compared. What is sought and chosen stands in the address.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { runs, type Row } from "../api";
import { dollars, plain, seconds, short, when } from "../format";
import { addressOf, go, type Place } from "../place";
import { useLanguage, useWords } from "../words";
import { Trouble, type Fault } from "./Trouble";
import { useTitle } from "./useTitle";

/** What was seen last: coming back finds it in its place, and brings it up to date. */
const seen = { rows: null as Row[] | null, more: false, top: 0 };

export function Runs({ place }: { place: Extract<Place, { page: "runs" }> }) {
  const words = useWords();
  const language = useLanguage();
  const [rows, setRows] = useState<Row[] | null>(seen.rows);
  const [more, setMore] = useState(seen.more);
  const [trouble, setTrouble] = useState<Fault | null>(null);
  const main = useRef<HTMLElement>(null);
  const { text, state, two } = place;
  useTitle(words.runs);

  const load = (after?: string) =>
    runs(after).then((found) => {
      setTrouble(null);
      const fresh = new Set(found.data.map((row) => row.id));
      const last = found.data[found.data.length - 1]?.id ?? "";
      const kept = (seen.rows ?? []).filter((row) => !fresh.has(row.id) && (after || row.id < last)); // loaded before
      if (after || !kept.length) setMore(found.has_more);
      setRows(after ? [...kept, ...found.data] : [...found.data, ...kept]);
    }, setTrouble);
  useEffect(() => void load(), []);
  useEffect(() => {
    seen.rows = rows;
    seen.more = more;
  }, [rows, more]);
  useLayoutEffect(() => {
    main.current!.scrollTop = seen.top;
  }, []);
  const shown = useMemo(() => {
    const sought = text.trim().toLowerCase();
    return (rows ?? []).filter(
      (row) =>
        (!state || row.status === state) &&
        (!sought || [row.question, row.answer, row.model, row.effort, row.id].some((part) => part?.toLowerCase().includes(sought))),
    );
  }, [rows, text, state]);
  const change = (part: Partial<typeof place>) => go({ ...place, ...part }, true);
  const pick = (id: string) => change({ two: two.includes(id) ? two.filter((one) => one !== id) : [...two, id].slice(-2) });
  const states = [...new Set([...(rows ?? []).map((row) => row.status), ...(state ? [state] : [])])];
  return (
    <main className="runs" ref={main} onScroll={(event) => (seen.top = event.currentTarget.scrollTop)}>
      <div className="tools">
        <h1>{words.runs}</h1>
        <input type="search" placeholder={words.filter} aria-label={words.filter} value={text} onChange={(event) => change({ text: event.target.value })} />
        <select aria-label={words.status} value={state} onChange={(event) => change({ state: event.target.value })}>
          <option value="">{words.allStates}</option>
          {states.map((one) => <option key={one} value={one}>{words.states[one] ?? one}</option>)}
        </select>
        {two.length === 2 ? (
          <a className="main" href={addressOf({ page: "compare", runs: [two[0]!, two[1]!] })}>{words.compare}</a>
        ) : (
          <span className="soft">{words.compareHint}</span>
        )}
      </div>
      {trouble !== null && <Trouble fault={trouble} />}
      {rows?.length === 0 && <p className="soft">{words.noRuns}</p>}
      {rows && rows.length > 0 && shown.length === 0 && <p className="soft" role="status">{more ? words.noneSoFar : words.noneFound}</p>}
      <ul>
        {shown.map((row) => (
          <li key={row.id} className={two.includes(row.id) ? "picked" : undefined}>
            <input type="checkbox" checked={two.includes(row.id)} onChange={() => pick(row.id)} aria-label={`${words.choose}: ${row.question}`} />
            <a href={addressOf({ page: "run", run: row.id })}>
              <span className="what">{row.question}</span>
              <span className="came">{plain(row.answer ?? "")}</span>
              <span className="facts">
                <span className={`state ${row.status}`}>{words.states[row.status] ?? row.status}</span>
                {row.effort && <span>{words.efforts[row.effort] ?? row.effort}</span>}
                {row.tokens !== null && <span>{words.nTokens(row.tokens, short(row.tokens, language))}</span>}
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
