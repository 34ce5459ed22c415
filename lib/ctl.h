/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control channel: a UNIX stream socket that carries one JSON object a line.
 *
 * A client sends {"do": "port.show", "args": {...}}, with a descriptor in
 * SCM_RIGHTS where the request needs one, and waits for the answer before it
 * sends the next. The server answers with any number of {"item": {...}} lines and
 * one last line: {"ok": true}, with a "result" where there is one, or
 * {"ok": false, "error": "why"}. A request that subscribes is answered by
 * {"ok": true, "stream": true} and then {"event": {...}} lines until the client
 * hangs up.
 *
 * A client that does not read costs the server nothing but its bounded queue: a
 * long answer is generated only as fast as it is read, and events that do not
 * fit are dropped and counted ({"event": {"event": "lost", "count": n}} once
 * there is room again).
 */
#ifndef TVD_CTL_H
#define TVD_CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "lib/err.h"

struct ev_loop;

#define CTL_REQUEST_MAX	    (256u * 1024u) /* bytes of a request line, without its newline */
#define CTL_QUEUE_MAX	    (256u * 1024u) /* bytes that wait for a client before it is left out */
#define CTL_CONNECTIONS_MAX 64u
#ifndef CTL_IDLE_MS	    /* tests have less patience */
#define CTL_IDLE_MS  10000u /* how long half a request may take, or a connection be silent */
#define CTL_STALL_MS 60000u /* how long a client may leave an answer or an event unread */
#define CTL_SPARE_MS 1000u  /* silent for so long, a connection makes way for a new one */
#endif

struct ctl_server;
struct ctl_conn;

/*
 * Called for each whole request. `args` is an object (empty if none was sent)
 * and borrowed. `fd` is the descriptor that came along, or -1; the handler may
 * take it by setting *fd to -1, else it is closed. The handler answers before it
 * returns, by exactly one of ctl_ok, ctl_fail, ctl_generate, ctl_subscribe. What
 * it sends is queued: no function here closes a connection under its caller.
 */
typedef void ctl_request_fn(void *arg, struct ctl_conn *conn, const char *command, json_t *args,
			    int *fd);

/*
 * Listens at `path` with mode 0600: next to a leftover socket nobody listens on,
 * which it replaces; not on one that answers (-EADDRINUSE). Negative errno with a
 * message, else 0 and *server.
 */
int ctl_server_open(struct ctl_server **server, struct ev_loop *loop, const char *path,
		    ctl_request_fn *fn, void *arg, struct err *err);

/*
 * The same with a descriptor that another process listens with at that path; it is
 * taken only on success. -EINVAL with a message if it is something else.
 */
int ctl_server_adopt(struct ctl_server **server, struct ev_loop *loop, const char *path, int fd,
		     ctl_request_fn *fn, void *arg, struct err *err);

/* What it listens with; it remains the server's. */
int ctl_server_fd(const struct ctl_server *server);

/* Whether another process listens with it too: then closing leaves the socket's file. */
void ctl_server_share(struct ctl_server *server, bool shared);

/*
 * Closes all connections (generators are done, hangups told) and removes the
 * socket. Not from within a handler. NULL is fine.
 */
void ctl_server_close(struct ctl_server *server);

struct ctl_server_counters {
	unsigned connections;
	unsigned long long accepted; /* and served */
	unsigned long long refused;  /* no room, or silent and made way for another */
	unsigned long long timeouts; /* half requests, silence, answers not read */
	unsigned long long requests; /* whole ones, bad ones too */
	unsigned long long bad_requests;
	unsigned long long events_lost; /* for want of reading */
};
struct ctl_server_counters ctl_server_counters(const struct ctl_server *server);

/* Answers; `result` (may be NULL) is stolen. */
void ctl_ok(struct ctl_conn *conn, json_t *result);
void ctl_fail(struct ctl_conn *conn, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* One item of an answer; `item` is stolen. Only from within a generator, or
 * before ctl_ok for answers of bounded length. */
void ctl_item(struct ctl_conn *conn, json_t *item);

/* The same with an item that is written already, as one line of JSON. */
void ctl_item_text(struct ctl_conn *conn, const char *text, size_t len);

/*
 * An answer of unknown length: `next` is called, soon and whenever the queue has
 * drained, to add some items (what takes a fraction of a millisecond) with ctl_item; it returns
 * false when there are no more, and {"ok": true} follows unless it has answered by ctl_ok or
 * ctl_fail itself. `done` (may be NULL) frees the state at the end or when the client is gone.
 */
typedef bool ctl_next_fn(void *state, struct ctl_conn *conn);
void ctl_generate(struct ctl_conn *conn, ctl_next_fn *next, void (*done)(void *), void *state);

/* Makes the connection a subscriber of ctl_publish. */
void ctl_subscribe(struct ctl_conn *conn);

bool ctl_has_subscribers(const struct ctl_server *server);

/*
 * Whether anybody would see an event: ask before building one, and publish it
 * then. If all subscribers are behind, it is counted as lost to each.
 */
bool ctl_event_wanted(struct ctl_server *server);

/* Sends an event to all subscribers; stolen. */
void ctl_publish(struct ctl_server *server, json_t *event);

/* The process at the other end (SO_PEERCRED). */
pid_t ctl_conn_pid(const struct ctl_conn *conn);

/*
 * Told when the client of a connection hangs up after a successful answer; for
 * what shall live only as long as its client (a live capture). Called in a
 * handler that then succeeds. One per connection, which takes no further request
 * and may be silent. fn NULL takes it back, at any time until it was told.
 */
void ctl_on_hangup(struct ctl_conn *conn, void (*fn)(void *), void *arg);

/* ---- client side, blocking ---- */

struct ctl_client;

/* 0, or negative errno with "PATH: why". */
int ctl_client_open(struct ctl_client **client, const char *path, struct err *err);
void ctl_client_close(struct ctl_client *client);

/*
 * Sends a request; `args` (may be NULL) is stolen; fd (-1 for none) remains the
 * caller's. A server that has hung up is no failure yet: it may have left a line
 * that says why.
 */
int ctl_client_send(struct ctl_client *client, const char *command, json_t *args, int fd,
		    struct err *err);

/*
 * The next line of the answer or stream, a new reference; or NULL with a message,
 * which is empty where the server has simply hung up. An answer may take
 * CTL_ANSWER_MS from line to line, a stream any time.
 */
#define CTL_ANSWER_MS 30000
json_t *ctl_client_read(struct ctl_client *client, struct err *err);

/*
 * The same in two steps, for who can do without JSON objects: the next line, without its
 * newline and valid until the next call, or NULL; and what it says.
 */
const char *ctl_client_line(struct ctl_client *client, size_t *len, struct err *err);
json_t *ctl_client_parse(struct ctl_client *client, const char *line, size_t len, struct err *err);

#endif
