// What has been spent, against what may be; and what a person can do about it.
import { useEffect, useState } from "react";
import { control, type Budget } from "../api";
import { dollars, seconds, short, whole } from "../format";
import type { Run } from "../run";
import { Refused } from "../sse";
import { useLanguage, useWords } from "../words";
import { BudgetFields } from "./Composer";

type Given = { run: Run; live: boolean; more?: (budget: Budget) => Promise<void> };

export function Meters({ run, live, more }: Given) {
  const words = useWords();
  const language = useLanguage();
  const [adding, setAdding] = useState<Budget>({ tokens: 16_384 });
  const [trouble, setTrouble] = useState("");
  const [heard, setHeard] = useState(Date.now);
  const [now, setNow] = useState(Date.now);
  const meter = run.meter;

  useEffect(() => setHeard(Date.now()), [run.seq]);
  useEffect(() => {
    if (!live) return;
    const ticking = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(ticking);
  }, [live]);
  if (!meter) return null;
  const caps = meter.caps;
  const known = run.end?.seconds ?? meter.seconds;
  const past = known === null ? null : known + (live ? Math.max(0, now - heard) / 1000 : 0);
  const act = (action: string) => control(run.id, action).catch((error: unknown) => setTrouble(said(error)));
  const spent = meter.dollars === null ? null : Number(meter.dollars);
  return (
    <section className="meters">
      <Gauge name={words.tokensSpent} value={meter.tokens} cap={caps.tokens ?? null} text={(n) => short(n, language)} />
      {spent !== null && (
        <Gauge name={words.spent} value={spent} cap={caps.dollars ? Number(caps.dollars) : null} text={(n) => (n ? dollars(n, language) : words.free)} />
      )}
      {past !== null && (
        <Gauge name={words.time} value={past} cap={caps.seconds ?? null} text={(n) => seconds(n * 1000, language)} />
      )}
      <Gauge name={words.calls} value={meter.calls} cap={null} text={(n) => whole(n, language)} />
      <div className="acts">
        {live && <button className="main" onClick={() => act("answer_now")}>{words.answerNow}</button>}
        {live && <button onClick={() => act("stop")}>{words.stop}</button>}
        {more && (
          <details className="budget up">
            <summary title={words.moreHint}>{words.more}</summary>
            <BudgetFields budget={adding} change={setAdding} />
            <button
              className="main"
              disabled={!Object.keys(adding).length}
              onClick={(event) => {
                event.currentTarget.closest("details")?.removeAttribute("open");
                setTrouble("");
                more(adding).catch((error: unknown) => setTrouble(said(error)));
              }}
            >
              {words.more}
            </button>
          </details>
        )}
        {run.end && <span className="soft">{words.whys[run.end.why] ?? run.end.why}</span>}
      </div>
      {trouble && <p className="wrong" role="alert">{trouble}</p>}
    </section>
  );
}

const said = (error: unknown) => (error instanceof Refused || error instanceof Error ? error.message : String(error));

type Scale = { name: string; value: number; cap: number | null; text: (n: number) => string };

function Gauge({ name, value, cap, text }: Scale) {
  const words = useWords();
  const share = cap ? Math.min(1, value / cap) : 0;
  return (
    <div className="gauge">
      <span className="name">{name}</span>
      <span className="figure">
        {text(value)}
        {cap !== null && <span className="soft"> {words.of} {text(cap)}</span>}
      </span>
      {cap !== null && (
        <span className={share > 0.9 ? "track full" : "track"} role="meter" aria-label={name} aria-valuenow={value} aria-valuemin={0} aria-valuemax={cap}>
          <span style={{ width: `${share * 100}%` }} />
        </span>
      )}
    </div>
  );
}
