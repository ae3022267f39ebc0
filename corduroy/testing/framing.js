// Has PouchDB Server say once how long an answer is.
//
// pouchdb-list declares what a list function sends to be in chunks, and Express sends it in one piece
// with a Content-Length. An answer with both headers is no HTTP, and clients refuse it.
"use strict";

const { response } = require("express");

const { send } = response;

response.send = function (body) {
  this.removeHeader("Transfer-Encoding");
  return send.call(this, body);
};
