// Where conversations are kept: IndexedDB of this browser. Without it (some private windows) they last as
// long as the page.

const kStore = 'conversations';
let opening;

function open() {
  opening ??= new Promise((resolve) => {
    try {
      const request = indexedDB.open('weir', 1);
      request.onupgradeneeded = () => request.result.createObjectStore(kStore, { keyPath: 'id' });
      request.onsuccess = () => resolve(request.result);
      request.onerror = request.onblocked = () => resolve(null);
    } catch {
      resolve(null);
    }
  });
  return opening;
}

async function run(mode, use) {
  const database = await open();
  if (!database) return undefined;
  return new Promise((resolve, reject) => {
    const transaction = database.transaction(kStore, mode);
    const request = use(transaction.objectStore(kStore));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

export const loadAll = async () => (await run('readonly', (store) => store.getAll())) ?? [];
export const save = (conversation) => run('readwrite', (store) => store.put(conversation));
export const remove = (id) => run('readwrite', (store) => store.delete(id));

/// Small settings; null where the browser keeps none.
export function recall(name) {
  try {
    return localStorage.getItem(`weir.${name}`);
  } catch {
    return null;
  }
}

export function remember(name, value) {
  try {
    if (value) localStorage.setItem(`weir.${name}`, value);
    else localStorage.removeItem(`weir.${name}`);
  } catch {
    // Then it lasts as long as the page.
  }
}
