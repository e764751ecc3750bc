// What has been spent, against what may be; and what a person can do about it.
import { useEffect, useState } from "react";
import { control, type Budget } from "../api";
import { dollars, seconds, short, whole } from "../format";
import type { Run } from "../run";
import { useWords, useLanguage } from "../words";
import { BudgetFields } from "./Composer";
import { PopOver } from "./PopOver";
import { Trouble, type Fault } from "./Trouble";

type Given = { run: Run; live: boolean; more?: (budget: Budget) => Promise<void> };

export function Meters({ run, live, more }: Given) {
  const words = useWords();
  const language = useLanguage();
  const [adding, setAdding] = useState<Budget>({ tokens: 16_384 });
  const [trouble, setTrouble] = useState<Fault | null>(null);
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
  const past = known === null ? null : run.past + known + (live ? Math.max(0, now - heard) / 1000 : 0);
  const act = (action: string) => (setTrouble(null), control(run.id, action).catch(setTrouble));
  const spent = meter.dollars === null ? null : Number(meter.dollars);
  const add = (shut: () => void) => {
    if (!more || !Object.keys(adding).length) return;
    shut();
    setTrouble(null);
    more(adding).catch(setTrouble);
  };
  return (
    <section className="meters">
      <Gauge name={words.tokensSpent} value={meter.tokens} cap={caps.tokens ?? null} text={(n) => short(n, language)} />
      {spent !== null && (
        <Gauge name={words.spent} value={spent} cap={caps.dollars ? Number(caps.dollars) : null} text={(n) => (n ? dollars(n, language) : words.free)} />
      )}
      {past !== null && (
        <Gauge name={words.time} value={past} cap={caps.seconds ? run.past + caps.seconds : null} text={(n) => seconds(n * 1000, language)} />
      )}
      <Gauge name={words.calls} value={meter.calls} cap={null} text={(n) => whole(n, language)} />
      <div className="acts">
        {live && <button className="main" onClick={() => act("answer_now")}>{words.answerNow}</button>}
        {live && <button onClick={() => act("stop")}>{words.stop}</button>}
        {more && (
          <PopOver className="more" name={words.more} label={words.moreHint} title={words.moreHint}>
            {(shut) => (
              <>
                <BudgetFields budget={adding} change={setAdding} done={() => add(shut)} />
                <button className="main" disabled={!Object.keys(adding).length} onClick={() => add(shut)}>{words.add}</button>
              </>
            )}
          </PopOver>
        )}
        {!live && run.end && <span className="soft">{words.whys[run.end.why] ?? run.end.why}</span>}
      </div>
      {trouble !== null && <Trouble fault={trouble} />}
    </section>
  );
}

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
        <span
          className={share > 0.9 ? "track full" : "track"}
          role="meter"
          aria-label={name}
          aria-valuenow={Math.min(value, cap)}
          aria-valuemin={0}
          aria-valuemax={cap}
          aria-valuetext={`${text(value)} ${words.of} ${text(cap)}`}
        >
          <span style={{ width: `${share * 100}%` }} />
        </span>
      )}
    </div>
  );
}
