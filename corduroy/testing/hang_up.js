// Has PouchDB Server end a feed when its client has gone.
//
// express-pouchdb ends a longpoll then, but not a continuous feed: its heartbeats are written, and
// every later change is read for it, as long as the server lives. Each broken connection would make
// the server slower.
"use strict";

Object.defineProperty(require("express").request, "db", {
  get() {
    return this.endingDB;
  },
  set(db) {
    const changes = (options) => {
      const feed = db.changes(options);
      if (options.live) {
        this.res.on("close", () => {
          // An error ends the heartbeats. A feed that has ended already has had its own, or listens no
          // more: another one would end the server.
          if (!this.res.writableEnded) feed.emit("error", new Error("the client has gone"));
          feed.cancel();
        });
      }
      return feed;
    };
    this.endingDB = Object.create(db, { changes: { value: changes } });
  },
});
