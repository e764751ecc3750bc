// Text of a model, shown block by block: while it grows, what stands already is left as it is, with what is selected in it.
import { memo, useEffect, useMemo, useState } from "react";
import { blocks, hasMath, typesetter, type Typeset } from "../markdown";

let ready: Typeset | null = null;

export function Markdown({ text }: { text: string }) {
  const [typeset, setTypeset] = useState<Typeset | null>(() => ready);
  const wanted = hasMath(text);
  useEffect(() => {
    if (wanted && !ready) void typesetter().then((made) => setTypeset(() => (ready = made)));
  }, [wanted]);
  const made = useMemo(() => blocks(text, typeset ?? ready), [text, typeset]);
  return <div className="prose">{made.map((html, n) => <Block key={n} html={html} />)}</div>;
}

const Block = memo(({ html }: { html: string }) => <div dangerouslySetInnerHTML={{ __html: html }} />);
