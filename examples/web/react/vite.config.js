import { defineConfig } from "vite";

// JSX as React has it, without a plugin.
export default defineConfig({ oxc: { jsx: { runtime: "automatic" } } });
