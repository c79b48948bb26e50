import { useEffect, useRef } from 'preact/hooks';

const kNumbers = [
  { name: 'temperature', label: 'Temperature', min: 0, max: 2, step: 0.05 },
  { name: 'top_p', label: 'Top p', min: 0, max: 1, step: 0.01 },
  { name: 'top_k', label: 'Top k', min: 0, step: 1 },
  { name: 'max_tokens', label: 'Most tokens', min: 1, step: 1 },
  { name: 'seed', label: 'Seed', step: 1 },
];

/// Of the open conversation; the next new one begins with the same.
export function Settings({ chats, onClose }) {
  const dialog = useRef();
  const { settings } = chats.current;
  useEffect(() => dialog.current.showModal(), []);
  const set = (name) => (event) => chats.set(name, event.currentTarget.value);
  const outside = (event) => event.target === dialog.current && dialog.current.close();
  return (
    <dialog ref={dialog} class="settings" aria-labelledby="settings-title" onClose={onClose} onClick={outside}>
      <div class="inside">
        <header>
          <h2 id="settings-title">Settings</h2>
          <button type="button" class="quiet" onClick={() => dialog.current.close()}>
            Close
          </button>
        </header>
        <label class="wide">
          System prompt
          <textarea rows={5} value={settings.system ?? ''} onInput={set('system')} />
        </label>
        <div class="grid">
          {kNumbers.map(({ name, label, ...limits }) => (
            <label key={name}>
              {label}
              <input
                type="number"
                placeholder="default"
                value={settings[name] ?? ''}
                onInput={set(name)}
                {...limits}
                step={limits.step === 1 ? 1 : 'any'}
              />
            </label>
          ))}
          <label>
            Thinking
            <select value={settings.thinking ?? ''} onChange={set('thinking')}>
              <option value="">default</option>
              <option value="on">on</option>
              <option value="off">off</option>
            </select>
          </label>
        </div>
        <p class="hint">For this conversation, and for new ones begun from it. What is empty, the server decides.</p>
        {chats.key && (
          <div class="row">
            <span>An API key is kept in this browser.</span>
            <button type="button" onClick={() => chats.setKey('')}>
              Clear key
            </button>
          </div>
        )}
      </div>
    </dialog>
  );
}
