// What is known of the step, or the line of steps, that is chosen in the tree.
import { useState } from "react";
import { step as whole } from "../api";
import type { Box } from "../layout";
import { worth, type Run, type Step } from "../run";
import { percent, whole as number } from "../format";
import { useLanguage, useWords } from "../words";

const MOST = 60; // steps of a line that are shown at once

export function StepSide({ box, run }: { box: Box; run: Run }) {
  const words = useWords();
  const language = useLanguage();
  const steps = box.steps.map((id) => run.nodes.get(id)).filter((one): one is Step => one !== undefined);
  const last = steps[steps.length - 1];
  const tokens = steps.reduce((sum, step) => sum + step.tokens, 0);
  const prior = steps.filter((step) => step.prior !== null);
  const sure = prior.length ? Math.exp(prior.reduce((sum, step) => sum + Math.log(Math.max(step.prior!, 1e-9)) * step.tokens, 0) / prior.reduce((sum, step) => sum + step.tokens, 0)) : null;
  const lines = box.members.length || 1;
  const facts: [string, string][] = [
    [words.visits, number(box.visits, language)],
    [words.tokensSpent, number(tokens, language)],
  ];
  if (box.members.length) facts.unshift([words.lines, number(lines, language)]);
  if (box.value !== null) facts.push([words.value, box.value.toFixed(2)]);
  else if (last && worth(last) !== null) facts.push([words.value, worth(last)!.toFixed(2)]);
  if (last?.score !== null && last !== undefined) facts.push([words.score, last.score.toFixed(2)]);
  if (sure !== null) facts.push([words.confidence, percent(sure, language)]);
  if (last) facts.push([words.status, words.statuses[last.status] ?? last.status]);
  return (
    <section className="side">
      <h3>
        {steps.length > 1 ? words.nSteps(steps.length) : last ? words.step(last.depth) : words.nLines(lines, number(lines, language))}
        {last?.answer != null && <span className="result">{last.answer}</span>}
      </h3>
      <dl>
        {facts.map(([name, value]) => (
          <div key={name}><dt>{name}</dt><dd>{value}</dd></div>
        ))}
      </dl>
      {steps.length > 0 && (run.raw ? (
        <ol className="texts" start={steps[0]!.depth}>
          {steps.slice(0, MOST).map((step) => <Text key={step.id} run={run.id} step={step} />)}
          {steps.length > MOST && <li className="soft">{words.nSteps(steps.length - MOST)} …</li>}
        </ol>
      ) : (
        <p className="soft">{words.textHidden}</p>
      ))}
    </section>
  );
}

function Text({ run, step }: { run: string; step: Step }) {
  const words = useWords();
  const [text, setText] = useState<string | null>(null);
  return (
    <li value={step.depth}>
      <pre>{text ?? step.text}</pre>
      {step.more && text === null && (
        <button onClick={() => whole(run, step.id).then((found) => setText(found.text)).catch(() => undefined)}>{words.wholeText}</button>
      )}
    </li>
  );
}
