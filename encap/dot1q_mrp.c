/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Declaring the VLANs of an uplink's segments to switches, over its packet socket. One
 * participant for each protocol that a segment asks for. PDUs are untagged, so that no
 * segment gets them, whatever they say.
 */
#include <errno.h>
#include <ev.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "encap/dot1q_io.h"
#include "lib/log.h"
#include "lib/vnet.h"

LOG_MODULE("mrp");

#define HEARD_WINDOW 1000u /* ms in which a link's PDUs are counted */
#define HEARD_MAX    500u  /* and read; what is beyond is not */

/* One protocol on one link. */
struct participant {
	struct mrp mrp;
	uint16_t needed[VIDS]; /* by how many segments: outer VLANs are shared */
	uint64_t sent, received, bad, ignored, failed;
};

struct dot1q_mrp {
	struct dot1q_link *link;
	struct participant *participant[MRP_PROTOCOLS]; /* NULL: nobody asked for it yet */
	ev_timer timer;
	unsigned ifindex;      /* where it was declared; 0: nothing can be sent now */
	uint64_t window;       /* since when PDUs are counted */
	unsigned window_heard; /* how many */
};

static uint64_t now_of(const struct dot1q_link *link)
{
	return *link->host->now;
}

/* ---- sending ---- */

/* The header says of no offloads. @syscall sendmsg */
static int send_frame(const struct dot1q_link *link, uint8_t *data, size_t len)
{
	struct vnet_header vnet = {0};
	struct iovec iov[] = {{&vnet, sizeof(vnet)}, {data, len}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	return sendmsg(link->fd, &msg, 0) < 0 ? -errno : 0;
}

/* As many frames as it takes. What could not be sent is said at the next time. */
static void transmit(struct dot1q_mrp *m, enum mrp_protocol protocol)
{
	struct dot1q_link *link = m->link;
	struct participant *p = m->participant[protocol];
	size_t room = link->uplink->mtu + ETH_HEADER_LEN;
	uint8_t frame[MRP_FRAME_MAX];
	unsigned vid = 1;

	room = room < sizeof(frame) ? room : sizeof(frame);
	while (vid <= MRP_VID_MAX) {
		unsigned first = vid;
		size_t len = mrp_frame_write(protocol, &link->uplink->mac, &p->mrp, &vid, frame,
					     room < DOT1Q_FRAME_MIN ? DOT1Q_FRAME_MIN : room);
		int ret = len ? send_frame(link, frame, len) : 0;

		if (ret < 0) {
			p->failed++;
			log_limited(LOG_LEVEL_INFO, "uplink %s: %s: cannot send: %s",
				    link->uplink->name, mrp_protocol_name(protocol),
				    strerror(-ret));
			break;
		}
		if (len == 0)
			break;
		p->sent++;
		mrp_said(&p->mrp, first, vid - 1);
	}
	mrp_transmitted(&p->mrp, now_of(link));
}

/* While nothing can be sent, nothing is due. */
static void arm(struct dot1q_mrp *m)
{
	struct ev_loop *loop = m->link->host->loop;
	uint64_t next = MRP_NEVER, now = now_of(m->link);

	for (int i = 0; i < MRP_PROTOCOLS; i++) {
		uint64_t at = m->participant[i] ? mrp_next(&m->participant[i]->mrp) : MRP_NEVER;

		next = at < next ? at : next;
	}
	ev_timer_stop(loop, &m->timer);
	if (next == MRP_NEVER || !m->ifindex)
		return;
	ev_timer_set(&m->timer, next > now ? (double)(next - now) / 1000. : 0., 0.);
	ev_timer_start(loop, &m->timer);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct dot1q_mrp *m = timer->data;

	(void)loop;
	(void)events;
	for (int i = 0; i < MRP_PROTOCOLS; i++) {
		if (m->participant[i] && mrp_due(&m->participant[i]->mrp, now_of(m->link)))
			transmit(m, (enum mrp_protocol)i);
	}
	arm(m);
}

/* Whether PDUs can be sent now, and from where. */
static unsigned place_of(const struct dot1q_link *link)
{
	return link->uplink->up && link->fd >= 0 ? link->ifindex : 0;
}

void dot1q_mrp_uplink(struct dot1q_link *link)
{
	struct dot1q_mrp *m = link->mrp;

	if (!m || m->ifindex == place_of(link))
		return;
	m->ifindex = place_of(link);
	for (int i = 0; m->ifindex && i < MRP_PROTOCOLS; i++) {
		if (m->participant[i])
			mrp_redeclare(&m->participant[i]->mrp, now_of(link));
	}
	arm(m);
}

/* ---- what is declared ---- */

static struct dot1q_mrp *mrp_get(struct dot1q_link *link)
{
	struct dot1q_mrp *m = link->mrp;

	if (m)
		return m;
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->link = link;
	m->ifindex = place_of(link);
	ev_timer_init(&m->timer, on_timer, 0., 0.);
	m->timer.data = m;
	link->mrp = m;
	return m;
}

/*
 * MVRP's link is taken to be to one switch. Where there are more stations, as behind
 * one that floods group addresses, each then says more than it had to, and never less.
 * GVRP knows of no such links.
 */
static struct participant *participant_get(struct dot1q_mrp *m, enum mrp_protocol protocol)
{
	struct participant *p = m->participant[protocol];
	const struct mac *mac = &m->link->uplink->mac;
	uint32_t seed = (uint32_t)(mac->octet[3] << 16 | mac->octet[4] << 8 | mac->octet[5]);
	bool mvrp = protocol != MRP_GVRP;

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (p)
		mrp_init(&p->mrp, mvrp, mvrp, seed ^ (uint32_t)now_of(m->link));
	m->participant[protocol] = p;
	return p;
}

/* What is listened to: only where something is declared. */
static void listen_to(struct dot1q_link *link)
{
	struct dot1q_mrp *m = link->mrp;
	unsigned protocols = 0;

	for (int i = 0; i < MRP_PROTOCOLS; i++) {
		if (m->participant[i] && m->participant[i]->mrp.declared)
			protocols |= 1u << i;
	}
	if (protocols == link->table.mrp)
		return;
	link->table.mrp = protocols;
	dot1q_filter_later(link);
}

static void need(const struct dot1q_mrp *m, struct participant *p, enum mrp_protocol protocol,
		 unsigned vid)
{
	if (p->needed[vid]++ == 0) {
		mrp_join(&p->mrp, vid, now_of(m->link));
		log_debug("uplink %s: %s: declaring VLAN %u", m->link->uplink->name,
			  mrp_protocol_name(protocol), vid);
	}
}

static void need_no_more(const struct dot1q_mrp *m, struct participant *p,
			 enum mrp_protocol protocol, unsigned vid)
{
	if (--p->needed[vid] == 0) {
		mrp_leave(&p->mrp, vid, now_of(m->link));
		log_debug("uplink %s: %s: withdrawing VLAN %u", m->link->uplink->name,
			  mrp_protocol_name(protocol), vid);
	}
}

int dot1q_mrp_declare(struct dot1q *dot1q, const struct dot1q_conf *conf)
{
	unsigned protocols = dot1q_declares(conf), vid = dot1q_declared_vid(conf);
	struct dot1q_mrp *m;

	if (!protocols && !dot1q->declares)
		return 0;
	m = mrp_get(dot1q->link);
	if (!m)
		return -ENOMEM;
	for (int i = 0; i < MRP_PROTOCOLS; i++) {
		if ((protocols & 1u << i) && !participant_get(m, (enum mrp_protocol)i))
			return -ENOMEM;
	}
	for (int i = 0; i < MRP_PROTOCOLS; i++) {
		struct participant *p = m->participant[i];
		unsigned changed = (protocols ^ dot1q->declares) & 1u << i;

		if (!p || !changed)
			continue;
		if (protocols & changed)
			need(m, p, (enum mrp_protocol)i, vid);
		else
			need_no_more(m, p, (enum mrp_protocol)i, vid);
	}
	dot1q->declares = protocols;
	listen_to(dot1q->link);
	arm(m);
	return 0;
}

void dot1q_mrp_withdraw(struct dot1q *dot1q)
{
	struct dot1q_mrp *m = dot1q->link->mrp;
	unsigned vid = dot1q_declared_vid(dot1q->conf);

	if (!dot1q->declares)
		return;
	for (int i = 0; i < MRP_PROTOCOLS; i++) {
		struct participant *p = m->participant[i];

		if (p && dot1q->declares & 1u << i)
			need_no_more(m, p, (enum mrp_protocol)i, vid);
	}
	dot1q->declares = 0;
	listen_to(dot1q->link);
	arm(m);
}

void dot1q_mrp_close(struct dot1q_link *link)
{
	struct dot1q_mrp *m = link->mrp;

	if (!m)
		return;
	ev_timer_stop(link->host->loop, &m->timer);
	for (int i = 0; i < MRP_PROTOCOLS; i++) {
		struct participant *p = m->participant[i];

		/* All is withdrawn, so that there are Leaves only. */
		if (p && p->mrp.pending && place_of(link) && !link->host->handed_over)
			transmit(m, (enum mrp_protocol)i);
		free(p);
	}
	link->table.mrp = 0;
	free(m);
	link->mrp = NULL;
}

/* ---- receiving ---- */

struct hearing {
	struct mrp *mrp;
	uint64_t now;
};

static void heard(void *arg, enum mrp_event event, unsigned vid)
{
	const struct hearing *hearing = arg;

	mrp_heard(hearing->mrp, event, vid, hearing->now);
}

/* Reading costs time: nobody on the wire gets more of it than that. */
static bool may_read(struct dot1q_mrp *m, uint64_t now)
{
	if (now - m->window >= HEARD_WINDOW) {
		m->window = now;
		m->window_heard = 0;
	}
	if (m->window_heard == HEARD_MAX)
		return false;
	m->window_heard++;
	return true;
}

bool dot1q_mrp_receive(struct dot1q_link *link, const struct frame *frame)
{
	enum mrp_protocol protocol = mrp_frame_protocol(frame->data, frame->len);
	struct stats *stray = &link->host->stray[ENCAP_DOT1Q];
	struct hearing hearing = {.now = now_of(link)};
	struct participant *p;

	if (protocol == MRP_PROTOCOLS || !(link->table.mrp & 1u << protocol))
		return false;
	p = link->mrp->participant[protocol];
	hearing.mrp = &p->mrp;
	if (!may_read(link->mrp, hearing.now)) {
		p->ignored++;
		stray->rx_drops[REASON_STORM]++;
		return true;
	}
	if (mrp_frame_read(protocol, frame->data, frame->len, heard, &hearing) < 0) {
		char text[MAC_STRLEN];
		struct mac src;

		memcpy(&src, frame->data + MAC_LEN, sizeof(src));
		p->bad++;
		stray->rx_drops[REASON_BAD_HEADER]++;
		log_limited(LOG_LEVEL_INFO, "uplink %s: %s: malformed PDU from %s, ignored",
			    link->uplink->name, mrp_protocol_name(protocol),
			    mac_format(&src, text));
		return true;
	}
	p->received++;
	arm(link->mrp);
	return true;
}

/* ---- showing ---- */

/* What became of it, in a word. */
static const char *word_of(const struct dot1q_mrp *m, const struct participant *p, unsigned vid)
{
	if (!m->ifindex)
		return "waiting";
	return mrp_say(&p->mrp, vid) == MRP_SAY_NOTHING ? "declared" : "declaring";
}

void dot1q_show_mrp(const struct encap *encap, json_t *object)
{
	const struct dot1q *dot1q = encap->state;
	const struct dot1q_mrp *m = dot1q->link->mrp;
	unsigned vid = dot1q_declared_vid(dot1q->conf);

	for (int i = 0; i < MRP_PROTOCOLS; i++) {
		const struct participant *p;
		json_t *shown;

		if (!(dot1q->declares & 1u << i))
			continue;
		p = m->participant[i];
		shown = json_object();
		json_object_set_new(shown, "state", json_string(word_of(m, p, vid)));
		json_object_set_new(shown, "applicant",
				    json_string(mrp_state_name((enum mrp_state)p->mrp.state[vid])));
		json_object_set_new(shown, "sent", json_integer((json_int_t)p->sent));
		json_object_set_new(shown, "received", json_integer((json_int_t)p->received));
		json_object_set_new(shown, "bad", json_integer((json_int_t)p->bad));
		json_object_set_new(shown, "ignored", json_integer((json_int_t)p->ignored));
		json_object_set_new(object, i == MRP_GVRP ? "gvrp" : "mvrp", shown);
	}
}

void dot1q_pdus(const struct encap_host *host, encap_pdus_fn *fn, void *arg)
{
	const struct list *links = host->shared[ENCAP_DOT1Q];

	if (!links)
		return;
	list_for_each (links, it) {
		const struct dot1q_link *link = container_of(it, struct dot1q_link, link);

		for (int i = 0; link->mrp && i < MRP_PROTOCOLS; i++) {
			const struct participant *p = link->mrp->participant[i];
			const char *protocol = mrp_protocol_name((enum mrp_protocol)i);

			if (!p)
				continue;
			fn(arg, link->uplink->name, protocol, "sent", p->sent);
			fn(arg, link->uplink->name, protocol, "failed", p->failed);
			fn(arg, link->uplink->name, protocol, "received", p->received);
			fn(arg, link->uplink->name, protocol, "bad", p->bad);
			fn(arg, link->uplink->name, protocol, "ignored", p->ignored);
		}
	}
}
