import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { defineConfig } from 'vite';

const hash = (text) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/// Of the libraries that become part of the page; a comment must not hold two hyphens.
function licences() {
  const texts = ['preact', 'uplot', 'marked'].map(
    (name) => `${name}\n\n${readFileSync(`node_modules/${name}/LICENSE`, 'utf8').trim()}`,
  );
  return `<!--\n${texts.join('\n\n').replace(/-{2,}/g, '-')}\n-->`;
}

/// Script and style become part of the page, and a policy that allows these two and the page's own server,
/// and nothing else: no other script runs, whatever gets into the page, and no string becomes markup.
function onePage() {
  return {
    name: 'one-page',
    enforce: 'post',
    apply: 'build',
    generateBundle(_, bundle) {
      const take = (ending) => {
        const file = Object.values(bundle).find((f) => f.fileName.endsWith(ending));
        delete bundle[file.fileName];
        return file.code ?? file.source;
      };
      const script = take('.js').trim().replace(/<(\/script|!--)/gi, '\\x3C$1');
      const style = take('.css').trim();
      const policy = [
        "default-src 'none'",
        `script-src ${hash(script)}`,
        `style-src ${hash(style)}`,
        "connect-src 'self'",
        'img-src data:',
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
      ].join('; ');
      const page = Object.values(bundle).find((f) => f.fileName.endsWith('.html'));
      page.source = page.source
        .replace(/\s*<script type="module"[^>]*><\/script>/, '')
        .replace(/\s*<link rel="stylesheet"[^>]*>/, '')
        .replace('<meta charset="utf-8">', (m) => `${m}\n<meta http-equiv="Content-Security-Policy" content="${policy}">`)
        .replace('</head>', () => `<style>${style}</style>\n</head>`)
        .replace('</body>', () => `<script type="module">${script}</script>\n${licences()}\n</body>`);
    },
  };
}

export default defineConfig({
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  plugins: [onePage()],
  build: { outDir: '../src/server/page', emptyOutDir: false, modulePreload: false, target: 'es2022' },
  // While the page is worked on: npm run dev, beside a weir on its usual port. It asks from another origin,
  // which the server would refuse.
  server: {
    proxy: Object.fromEntries(
      ['/v1', '/metrics', '/ready'].map((path) => [
        path,
        {
          target: 'http://127.0.0.1:8080',
          configure: (proxy) => proxy.on('proxyReq', (request) => request.removeHeader('origin')),
        },
      ]),
    ),
  },
});
