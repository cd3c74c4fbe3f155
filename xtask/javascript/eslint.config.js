// How the project's TypeScript and JavaScript is linted. A warning is an error.
import eslint from "@eslint/js";
import hooks from "eslint-plugin-react-hooks";
import { defineConfig, globalIgnores } from "eslint/config";
import { join } from "node:path";
import typescript from "typescript-eslint";

const ROOT = join(import.meta.dirname, "../..");

export default defineConfig(
  globalIgnores([
    "**/node_modules/",
    "**/dist/",
    "**/build/",
    "bindings/js/src/wasm/",
    "bindings/js/test/packaging/app/types.tsx",
  ]),
  { linterOptions: { reportUnusedDisableDirectives: "error" } },
  eslint.configs.recommended,
  {
    files: ["**/*.{ts,tsx}"],
    extends: [typescript.configs.strictTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: ROOT } },
    rules: {
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // `return end();` and `() => end()` say what they mean where `end` gives nothing.
      "@typescript-eslint/no-confusing-void-expression": "off",
      "@typescript-eslint/no-invalid-void-type": "off",
      // Some functions are asynchronous for their callers' sake.
      "@typescript-eslint/require-await": "off",
      // What others declare is not always so, and what is awaited changes what was looked at before.
      "@typescript-eslint/no-unnecessary-condition": "off",
      // Codes come from the module as numbers.
      "@typescript-eslint/no-unsafe-enum-comparison": "off",
      // A class inside a method has a `this` of its own.
      "@typescript-eslint/no-this-alias": "off",
    },
  },
  {
    // Plain JavaScript has no types to check, and its compiler says what is not defined only where it runs.
    files: ["**/*.{js,jsx,mjs,cjs}"],
    languageOptions: { parserOptions: { ecmaFeatures: { jsx: true } } },
    rules: { "no-undef": "off", "no-unused-vars": ["error", { ignoreRestSiblings: true, varsIgnorePattern: "^_$" }] },
  },
  { files: ["bindings/js/src/react.ts", "examples/web/react/**"], ...hooks.configs.flat.recommended },
);
