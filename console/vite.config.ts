// Builds the console to dist/: hashed assets, nothing inline, so that a strict content security policy holds.
import { join } from 'node:path';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const platform = process.env['WOCLOUD_URL'] ?? 'http://127.0.0.1:8440';

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { 'typebox/compile': join(import.meta.dirname, 'src/editor/compile.ts') } },
  build: {
    target: 'es2023',
    // A data: URL would need an exception in the policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
  },
  server: { proxy: { '/v1': { target: platform, changeOrigin: true, secure: false } } },
});
