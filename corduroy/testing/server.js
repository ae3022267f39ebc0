// PouchDB Server without its command line: that one cannot bind port 0, answers before its own
// databases are there, writes into the current folder, and takes twice as long to load.
// Started by server.py as: node server.js '{"port", "folder", "memory", "parent"}'
"use strict";

const fs = require("fs");
const path = require("path");
const PouchDB = require("pouchdb-core");
const expressPouchDB = require("express-pouchdb");

require("./framing");
require("./hang_up");

const GRACE = 500; // ms that requests under way get to finish
const PULSE = 250; // ms between two looks at the parent

const options = JSON.parse(process.argv[2]);

function fail(error) {
  console.error(error && error.stack ? error.stack : error);
  process.exit(1);
}

// Reparented means that the Python process has died, however it died. A pipe's end would say so
// too, but a child that Python has forked would hold it open.
setInterval(() => {
  if (process.ppid === options.parent) return;
  if (options.memory) fs.rmSync(options.folder, { recursive: true, force: true });
  process.exit(1);
}, PULSE).unref();

// Ctrl-C reaches the whole terminal; Python decides when the server ends, after its clean-up.
process.on("SIGINT", () => {});

function databases() {
  const folder = path.join(options.folder, "databases");
  fs.mkdirSync(folder, { recursive: true });
  return PouchDB.plugin(require("pouchdb-adapter-http"))
    .plugin(require("pouchdb-mapreduce"))
    .plugin(require("pouchdb-replication"))
    .plugin(require(options.memory ? "pouchdb-adapter-memory" : "pouchdb-adapter-leveldb"))
    .defaults({ prefix: folder + path.sep });
}

function listen() {
  const server = app.listen(options.port, "127.0.0.1", () => {
    console.log(`listening on port ${server.address().port}`);
  });
  server.on("error", fail);
  process.on("SIGTERM", () => {
    server.close(() => process.exit(0));
    server.closeIdleConnections?.(); // since Node 18.2
    setTimeout(() => process.exit(0), GRACE);
  });
}

const app = expressPouchDB({
  configPath: path.join(options.folder, "config.json"),
  inMemoryConfig: options.memory,
  logPath: path.join(options.folder, "log.txt"),
});

async function start() {
  const DB = databases();
  await app.setPouchDB(DB);
  await new DB("_users").info(); // a folder that is broken or in use shows only now
  listen();
}

start().catch(fail);
