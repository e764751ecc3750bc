// What went wrong, in the language of the page; the server's own words follow where they say more.
import { Refused } from "../sse";
import { useLanguage, useWords } from "../words";

/** An error of a call; or what a reply told of one: `{ message, code }`. */
export type Fault = unknown;

export function Trouble({ fault }: { fault: Fault }) {
  const words = useWords();
  const language = useLanguage();
  const { message, code } = told(fault);
  if (message === null) return <p className="wrong" role="alert">{words.gone}</p>;
  const lead = (code && words.codes[code]) || words.failed;
  if (!message) return <p className="wrong" role="alert">{lead}</p>;
  if (language === "en") return <p className="wrong" role="alert">{message}</p>;
  return (
    <div className="wrong" role="alert">
      <p>{lead}</p>
      <p className="small" lang="en">{message}</p>
    </div>
  );
}

/** message: null where no server answered. */
function told(fault: Fault): { message: string | null; code: string | null } {
  if (fault instanceof Refused) return fault;
  if (fault instanceof Error) return { message: null, code: null }; // of the network: its words differ from browser to browser
  const { message, code } = fault as { message: string; code: string | null };
  return { message, code };
}
