// Markdown as elements. The text of models and users only ever becomes text nodes: HTML in it is shown as
// written, pictures are links (nothing is fetched), and a link leads to http(s) or is none.
import { lexer } from 'marked';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';

const kMaxDepth = 24;
const kMaxLength = 400_000; // longer texts are shown as they are

const kEntities = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", '#39': "'", nbsp: '\u00a0' };
const decode = (text) => text.replace(/&(amp|lt|gt|quot|apos|#39|nbsp);/g, (_, name) => kEntities[name]);

function safeAddress(href) {
  try {
    const url = new URL(href);
    return url.protocol === 'https:' || url.protocol === 'http:' ? url.href : null;
  } catch {
    return null;
  }
}

function Link({ token, children }) {
  const address = safeAddress(decode(token.href));
  if (!address) return <>{token.raw}</>;
  return (
    <a href={address} target="_blank" rel="noopener noreferrer" title={address}>
      {children}
    </a>
  );
}

/// Where a page does not come from this machine or over TLS, browsers offer it no clipboard.
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement('textarea');
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}

export function CopyButton({ text, what }) {
  const [done, setDone] = useState(false);
  const timer = useRef();
  useEffect(() => () => clearTimeout(timer.current), []);
  const click = async () => {
    await copy(text);
    setDone(true);
    timer.current = setTimeout(() => setDone(false), 1500);
  };
  return (
    <button type="button" class="quiet" aria-label={`Copy ${what}`} onClick={click}>
      {done ? 'Copied' : 'Copy'}
    </button>
  );
}

function CodeBlock({ token }) {
  const language = (token.lang ?? '').split(/\s/)[0];
  return (
    <div class="code">
      <div class="code-head">
        <span>{language}</span>
        <CopyButton text={token.text} what="code" />
      </div>
      <pre tabIndex={0}>
        <code>{token.text}</code>
      </pre>
    </div>
  );
}

function Table({ token, depth }) {
  const cell = (Tag, c, i) => (
    <Tag key={i} style={c.align ? { textAlign: c.align } : undefined}>
      <Tokens list={c.tokens} depth={depth} />
    </Tag>
  );
  return (
    <div class="table" tabIndex={0}>
      <table>
        <thead>
          <tr>{token.header.map((c, i) => cell('th', c, i))}</tr>
        </thead>
        <tbody>
          {token.rows.map((row, i) => (
            <tr key={i}>{row.map((c, j) => cell('td', c, j))}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function List({ token, depth }) {
  const Tag = token.ordered ? 'ol' : 'ul';
  return (
    <Tag start={token.ordered && token.start !== 1 ? Number(token.start) : undefined}>
      {token.items.map((item, i) => (
        <li key={i} class={item.task ? 'task' : undefined}>
          {item.task && <input type="checkbox" disabled checked={item.checked} />}
          <Tokens list={item.tokens.filter((t) => t.type !== 'checkbox')} depth={depth} />
        </li>
      ))}
    </Tag>
  );
}

function Token({ token, depth }) {
  const inner = () => <Tokens list={token.tokens ?? []} depth={depth + 1} />;
  switch (token.type) {
    case 'space':
    case 'def':
      return null;
    case 'heading': {
      const Tag = `h${Math.min(token.depth + 2, 6)}`; // the page has headings above these
      return <Tag>{inner()}</Tag>;
    }
    case 'paragraph':
      return <p>{inner()}</p>;
    case 'blockquote':
      return <blockquote>{inner()}</blockquote>;
    case 'list':
      return <List token={token} depth={depth + 1} />;
    case 'table':
      return <Table token={token} depth={depth + 1} />;
    case 'code':
      return <CodeBlock token={token} />;
    case 'hr':
      return <hr />;
    case 'strong':
      return <strong>{inner()}</strong>;
    case 'em':
      return <em>{inner()}</em>;
    case 'del':
      return <del>{inner()}</del>;
    case 'codespan':
      return <code>{token.text}</code>;
    case 'br':
      return <br />;
    case 'link':
      return <Link token={token}>{inner()}</Link>;
    case 'image':
      return <Link token={token}>{token.text || token.href}</Link>;
    case 'text':
      return token.tokens ? inner() : <>{decode(token.text)}</>;
    case 'escape':
      return <>{token.text}</>;
    default:
      return <>{token.raw}</>; // HTML among them
  }
}

function Tokens({ list, depth }) {
  if (depth > kMaxDepth) return <>{list.map((token) => token.raw).join('')}</>;
  return list.map((token, i) => <Token key={i} token={token} depth={depth} />);
}

function parse(text) {
  if (text.length > kMaxLength) return null;
  try {
    return lexer(text, { gfm: true, breaks: true });
  } catch {
    return null; // nested deeper than the stack
  }
}

export function Markdown({ text }) {
  const tokens = useMemo(() => parse(text), [text]);
  return (
    <div class="markdown">{tokens ? <Tokens list={tokens} depth={0} /> : <p class="plain">{text}</p>}</div>
  );
}
