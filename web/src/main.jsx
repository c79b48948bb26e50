import { render } from 'preact';
import { useEffect, useReducer, useState } from 'preact/hooks';
import { Chat } from './chat.jsx';
import { Chats } from './chats.js';
import { Live } from './live.jsx';
import { Settings } from './settings.jsx';
import { Sidebar } from './sidebar.jsx';
import 'uplot/dist/uPlot.min.css';
import './style.css';

const chats = new Chats();

function Tab({ name, view, setView, children }) {
  const selected = view === name;
  return (
    <button type="button" aria-pressed={selected} class={selected ? 'tab selected' : 'tab'} onClick={() => setView(name)}>
      {children}
    </button>
  );
}

function App() {
  const [, show] = useReducer((n) => n + 1, 0);
  const [view, setView] = useState(location.hash === '#live' ? 'live' : 'chat');
  const [drawer, setDrawer] = useState(false); // of a narrow screen: the sidebar is open
  const [settings, setSettings] = useState(false);
  useEffect(() => chats.onChange(show), []);
  useEffect(() => {
    history.replaceState(null, '', view === 'live' ? '#live' : location.pathname + location.search);
  }, [view]);
  useEffect(() => {
    const keys = (event) => {
      if (event.key !== 'Escape' || event.defaultPrevented || document.querySelector('dialog[open]')) return;
      if (drawer) setDrawer(false);
      else chats.stop();
    };
    addEventListener('keydown', keys);
    return () => removeEventListener('keydown', keys);
  }, [drawer]);
  const open = (conversation) => {
    chats.open(conversation);
    setView('chat');
    setDrawer(false);
  };
  const create = () => {
    chats.create();
    setView('chat');
    setDrawer(false);
  };
  return (
    <div class={drawer ? 'app drawer' : 'app'}>
      <header class="top">
        <button
          type="button"
          class="quiet menu"
          aria-label="Conversations"
          aria-expanded={drawer}
          aria-controls="sidebar"
          onClick={() => setDrawer(!drawer)}
        >
          <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
            <path d="M3 5.5h14M3 10h14M3 14.5h14" />
          </svg>
        </button>
        <h1 title={chats.model}>{chats.model || 'weir'}</h1>
        <div class="tabs" role="group" aria-label="View">
          <Tab name="chat" {...{ view, setView }}>
            Chat
          </Tab>
          <Tab name="live" {...{ view, setView }}>
            Live
          </Tab>
        </div>
        <button type="button" class="quiet" aria-label="Settings" onClick={() => setSettings(true)}>
          <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
            <path d="M3 6h5M13 6h4M3 14h3M11 14h6" />
            <circle cx="10.5" cy="6" r="2.3" />
            <circle cx="8.5" cy="14" r="2.3" />
          </svg>
          <span>Settings</span>
        </button>
      </header>
      <Sidebar chats={chats} onOpen={open} onNew={create} />
      {drawer && <div class="shade" onClick={() => setDrawer(false)} />}
      {view === 'chat' ? <Chat chats={chats} /> : <Live chats={chats} />}
      {settings && <Settings chats={chats} onClose={() => setSettings(false)} />}
    </div>
  );
}

render(<App />, document.body);
chats.start();
