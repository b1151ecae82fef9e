import js from "@eslint/js";
import globals from "globals";

export default [
  js.configs.recommended,
  {
    files: ["ui/**/*.js", "tests/ui/scripts/**/*.js"],
    languageOptions: { ecmaVersion: 2024, sourceType: "module", globals: globals.browser },
    rules: {
      eqeqeq: "error",
      "no-shadow": "error",
      "no-var": "error",
      "prefer-const": "error",
      "no-unused-vars": ["error", { args: "all", argsIgnorePattern: "^_" }],
      "max-lines-per-function": ["error", 60],
      "max-len": ["error", { code: 130, ignoreRegExpLiterals: true }],
    },
  },
];
