import { useEffect, useRef, useState } from 'preact/hooks';

function Title({ conversation, onDone }) {
  const field = useRef();
  useEffect(() => field.current.select(), []);
  const keys = (event) => {
    event.stopPropagation();
    if (event.key === 'Escape') event.currentTarget.value = '';
    if (event.key === 'Enter' || event.key === 'Escape') event.currentTarget.blur();
  };
  return (
    <input
      ref={field}
      aria-label="Title"
      defaultValue={conversation.title}
      onKeyDown={keys}
      onBlur={(event) => onDone(event.currentTarget.value)}
    />
  );
}

function Entry({ chats, conversation, onOpen }) {
  const [renaming, setRenaming] = useState(false);
  const rename = (title) => {
    setRenaming(false);
    chats.rename(conversation, title);
  };
  const remove = () => {
    if (confirm(`Delete “${conversation.title}”?`)) chats.remove(conversation);
  };
  if (renaming) {
    return (
      <li>
        <Title conversation={conversation} onDone={rename} />
      </li>
    );
  }
  const current = conversation === chats.current;
  return (
    <li class={current ? 'current' : undefined}>
      <button
        type="button"
        class="title"
        aria-current={current ? 'page' : undefined}
        title={conversation.title}
        onClick={() => onOpen(conversation)}
      >
        {chats.isRunning(conversation) && <span class="waiting" aria-label="being answered" />}
        {conversation.title}
      </button>
      <span class="tools">
        <button type="button" class="quiet" aria-label={`Rename ${conversation.title}`} onClick={() => setRenaming(true)}>
          Rename
        </button>
        <button type="button" class="quiet" aria-label={`Delete ${conversation.title}`} onClick={remove}>
          Delete
        </button>
      </span>
    </li>
  );
}

export function Sidebar({ chats, onOpen, onNew }) {
  return (
    <nav class="sidebar" id="sidebar" aria-label="Conversations">
      <button type="button" class="new" onClick={onNew}>
        New conversation
      </button>
      <ul>
        {chats.list.map((conversation) => (
          <Entry key={conversation.id} {...{ chats, conversation, onOpen }} />
        ))}
      </ul>
    </nav>
  );
}
