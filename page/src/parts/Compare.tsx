// Two runs side by side.
import { Suspense, lazy } from "react";
import { useFeed } from "../feed";
import { dollars, seconds, whole } from "../format";
import type { Run } from "../run";
import { addressOf } from "../place";
import { useLanguage, useWords } from "../words";
import { useTitle } from "./useTitle";
import { Votes } from "./Votes";

const Chart = lazy(() => import("./Chart"));

export function Compare({ runs }: { runs: [string, string] }) {
  const words = useWords();
  useTitle(words.compare);
  const one = useFeed(runs[0]);
  const two = useFeed(runs[1]);
  const known = [one.run, two.run].filter((run) => run.course.length > 0);
  return (
    <main className="compare">
      <h1>{words.compare}</h1>
      <div className="pair">
        {[one, two].map((feed) => (
          <section key={feed.run.id}>
            {feed.line === "refused" ? <p className="wrong">{words.missing}</p> : <Facts run={feed.run} />}
            <Votes run={feed.run} />
          </section>
        ))}
      </div>
      {known.length > 0 && (
        <section className="chart">
          <h2>{words.chart}</h2>
          <Suspense fallback={<div className="canvas" />}>
            <Chart runs={[one.run, two.run]} stamp={one.stamp() + two.stamp()} />
          </Suspense>
        </section>
      )}
    </main>
  );
}

function Facts({ run }: { run: Run }) {
  const words = useWords();
  const language = useLanguage();
  const meter = run.meter;
  const value = (text: string) => words.efforts[text] ?? (/^\d{4,}$/.test(text) ? whole(Number(text), language) : text);
  const settings = Object.entries(words.options).filter(([name]) => run.settings[name]).map(([name, said]) => `${said} ${value(run.settings[name]!)}`);
  const facts: [string, string][] = [
    [words.answer, run.end?.answer ?? words.none],
    [words.status, run.end ? (words.whys[run.end.why] ?? run.end.why) : words.states.in_progress!],
    [words.samples, run.end ? whole(run.end.samples, language) : words.none],
    [words.tokensSpent, meter ? whole(meter.tokens, language) : words.none],
    [words.spent, meter?.dollars == null ? words.none : Number(meter.dollars) ? dollars(Number(meter.dollars), language) : words.free],
    [words.time, run.end ? seconds((run.past + run.end.seconds) * 1000, language) : words.none],
    [words.model, run.model ?? words.none],
    [words.settings, settings.join(", ") || words.none],
  ];
  return (
    <>
      <h2><a href={addressOf({ page: "run", run: run.id })}>{run.question || run.id}</a></h2>
      <dl>
        {facts.map(([name, value]) => (
          <div key={name}><dt>{name}</dt><dd>{value}</dd></div>
        ))}
      </dl>
    </>
  );
}
