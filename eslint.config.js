import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: [".tools/", "**/.wrangler/", "build/", "dist/", "target/"] },
  js.configs.recommended,
  {
    languageOptions: { globals: globals.node },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      complexity: ["error", 10],
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "max-lines": ["error", 300],
      "max-lines-per-function": ["error", 60],
      "no-shadow": "error",
      "no-throw-literal": "error",
      "no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "prefer-template": "off",
    },
  },
  { files: ["src/**", "bench/peers/**", "bench/stand-ins/**"], languageOptions: { globals: globals.serviceworker } },
  // A test file is a list of cases, and its outermost function holds all of them.
  { files: ["tests/**"], rules: { "max-lines-per-function": "off" } },
];
