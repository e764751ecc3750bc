// The vote: every answer, how many lines came to it, and what they weigh.
import { useState } from "react";
import { percent, whole } from "../format";
import type { Run } from "../run";
import { useLanguage, useWords } from "../words";

const FEW = 6;

export function Votes({ run }: { run: Run }) {
  const words = useWords();
  const language = useLanguage();
  const [every, setEvery] = useState(false);
  const all = run.answers.reduce((sum, vote) => sum + vote.votes, 0);
  if (!all) return null;
  const judged = run.answers.some((vote) => vote.score !== null);
  const shown = every ? run.answers : run.answers.slice(0, FEW);
  return (
    <section className="votes">
      <h3>{words.votes}</h3>
      <table>
        <thead>
          <tr>
            <th>{words.answer}</th>
            <th className="number">{words.lines}</th>
            <th className="number">{words.weight}</th>
            {judged && <th className="number">{words.score}</th>}
          </tr>
        </thead>
        <tbody>
          {shown.map((vote) => (
            <tr key={vote.answer} className={run.end?.answer === vote.answer ? "chosen" : undefined}>
              <td>
                <span className="said" title={vote.answer}>{vote.answer}</span>
                <span className="track" aria-hidden><span style={{ width: `${(100 * vote.votes) / all}%` }} /></span>
              </td>
              <td className="number">{whole(vote.votes, language)}<span className="soft"> {percent(vote.votes / all, language)}</span></td>
              <td className="number">{vote.weight.toFixed(1)}</td>
              {judged && <td className="number">{vote.score === null ? words.none : vote.score.toFixed(2)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
      {run.answers.length > FEW && !every && (
        <button onClick={() => setEvery(true)}>{words.moreLines(words.nAnswers(run.answers.length - FEW, whole(run.answers.length - FEW, language)))}</button>
      )}
    </section>
  );
}
