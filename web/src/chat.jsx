import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { path } from './conversation.js';
import { Answer, UserMessage } from './message.jsx';

const kNearEnd = 80; // pixels: so far from the end one still reads along

function Composer({ chats, busy }) {
  const [text, setText] = useState('');
  const area = useRef();
  const id = chats.current.id;
  useEffect(() => {
    if (matchMedia('(hover: hover)').matches) area.current.focus();
  }, [id]);
  useLayoutEffect(() => {
    area.current.style.height = 'auto';
    area.current.style.height = `${area.current.scrollHeight}px`;
  }, [text]);
  const send = () => {
    if (busy || !text.trim()) return;
    chats.send(text);
    setText('');
  };
  const keys = (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        ref={area}
        rows={1}
        value={text}
        placeholder="Write a message"
        aria-label="Message"
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={keys}
      />
      {busy ? (
        <button type="button" class="primary" onClick={() => chats.stop()} title="Esc">
          Stop
        </button>
      ) : (
        <button type="submit" class="primary" disabled={!text.trim()} title="Enter">
          Send
        </button>
      )}
    </form>
  );
}

/// Asked for once the server has refused to answer without one.
function KeyForm({ chats }) {
  const field = useRef();
  useEffect(() => field.current.focus(), []);
  return (
    <form
      class="key"
      onSubmit={(event) => {
        event.preventDefault();
        chats.setKey(field.current.value);
      }}
    >
      <label for="key">
        {chats.key ? 'The server does not accept this API key.' : 'This server asks for an API key.'}
      </label>
      <div class="row">
        <input ref={field} id="key" type="password" autocomplete="current-password" defaultValue={chats.key} />
        <button type="submit" class="primary">
          Use key
        </button>
      </div>
      <p class="hint">It is kept in this browser until you clear it under Settings.</p>
    </form>
  );
}

function Welcome({ chats }) {
  return (
    <div class="welcome">
      <h2>{chats.model || 'weir'}</h2>
      <p>Your conversations stay in this browser.</p>
      <p class="hint">
        <kbd>Enter</kbd> sends, <kbd>Shift</kbd> + <kbd>Enter</kbd> starts a line, <kbd>Esc</kbd> stops an answer.
      </p>
    </div>
  );
}

export function Chat({ chats }) {
  const conversation = chats.current;
  const nodes = path(conversation);
  const busy = chats.isRunning(conversation);
  const scroller = useRef();
  const follow = useRef(true);
  const onScroll = () => {
    const { scrollTop, scrollHeight, clientHeight } = scroller.current;
    follow.current = scrollHeight - scrollTop - clientHeight < kNearEnd;
  };
  const last = nodes.at(-1)?.id;
  useLayoutEffect(() => {
    follow.current = true;
  }, [conversation.id, last]);
  useLayoutEffect(() => {
    if (follow.current) scroller.current.scrollTop = scroller.current.scrollHeight;
  });
  return (
    <main class="chat">
      <div class="scroll" ref={scroller} onScroll={onScroll}>
        <div class="column" role="log" aria-label="Conversation">
          {nodes.length === 0 && <Welcome chats={chats} />}
          {nodes.map((node) => {
            const Message = node.role === 'user' ? UserMessage : Answer;
            return <Message key={node.id} {...{ chats, conversation, node, busy }} />;
          })}
        </div>
      </div>
      <div class="bottom">
        <div class="column">
          {chats.needsKey && <KeyForm chats={chats} />}
          {chats.notice && (
            <p class="notice" role="status">
              {chats.notice}
            </p>
          )}
          <Composer chats={chats} busy={busy} />
        </div>
      </div>
    </main>
  );
}
