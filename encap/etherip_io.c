/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of EtherIP backends, and what they send with.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "encap/accel.h"
#include "encap/etherip_io.h"
#include "encap/gso.h"

static const struct sender_kind sender_kind = {
    .type = SOCK_RAW,
    .protocol = ETHERIP_PROTOCOL,
    .sockets = 1,
    /* RFC 3378 is silent on DF: clear, so that what is too long for a path is
     * fragmented instead of lost. */
    .fragment = true,
};

/* `transport = "udp"`. */
static const struct sender_kind udp_sender_kind = {
    .type = SOCK_DGRAM,
    .sockets = SENDER_SOCKETS,
    .choose = etherip_flow,
    .first_port = UDP_FIRST_SOURCE_PORT,
    .fragment = true,
};

static struct etherip_shared *shared_of(const struct encap *encap)
{
	return encap->host->shared[ENCAP_ETHERIP];
}

static struct senders *senders_of(const struct etherip *etherip)
{
	struct etherip_shared *shared = shared_of(etherip->encap);

	return etherip->conf->transport == TRANSPORT_UDP ? &shared->udp_senders : &shared->senders;
}

/* Superframes of TCP, where the uplink has an accelerator and it knows the way. */
unsigned etherip_takes(const struct encap *encap, const struct frame *frame)
{
	const struct etherip *etherip = encap->state;

	if (!encap->uplink->accel || etherip->conf->transport == TRANSPORT_UDP ||
	    frame->offload.gso == FRAME_GSO_NONE || !accel_can_send(encap->uplink->accel, frame))
		return OFFLOAD_NONE;
	return OFFLOAD_CSUM | OFFLOAD_TSO4 | OFFLOAD_TSO6;
}

void etherip_send(struct encap *encap, struct frame_batch *batch)
{
	const struct etherip *etherip = encap->state;
	bool udp = etherip->conf->transport == TRANSPORT_UDP;
	const struct sender_to to = {
	    .remotes = &etherip->remotes,
	    .ttl = etherip->conf->ttl,
	    .port = udp ? (uint16_t)etherip->conf->port : 0,
	};

	if (encap->uplink->accel && !udp)
		accel_send(encap->uplink->accel, encap, batch,
			   (uint8_t)(to.ttl ? to.ttl : SENDER_TTL));
	senders_send(senders_of(etherip), encap, &to, batch);
}

/* ---- life ---- */

static struct etherip_shared *shared_get(struct encap_host *host)
{
	struct etherip_shared *shared = host->shared[ENCAP_ETHERIP];

	if (!shared) {
		shared = calloc(1, sizeof(*shared));
		if (!shared)
			return NULL;
		shared->host = host;
		shared->kernel_filter = host->ids_shared;
		senders_init(&shared->senders, &sender_kind);
		senders_init(&shared->udp_senders, &udp_sender_kind);
		groups_init(&shared->groups);
		list_init(&shared->rings);
		etherip_receivers_init(shared);
		host->shared[ENCAP_ETHERIP] = shared;
	}
	shared->users++;
	return shared;
}

static void shared_put(struct etherip_shared *shared)
{
	if (--shared->users > 0)
		return;
	etherip_receiver_close(&shared->receiver[0]);
	etherip_receiver_close(&shared->receiver[1]);
	shared->host->shared[ENCAP_ETHERIP] = NULL;
	free(shared);
}

void etherip_uplink_changed(struct encap *encap)
{
	struct etherip *etherip = encap->state;
	struct etherip_shared *shared = shared_of(encap);

	senders_follow(senders_of(etherip), encap->host, encap->uplink);
	group_follow(&shared->groups, &etherip->member, &etherip->remotes.group, encap);
	etherip_rings_follow(etherip);
}

/* The group in force: without a group and peers it is made of the identifier. */
static struct ipaddr group_of(const struct encap *encap, const struct etherip_conf *conf)
{
	if (ipaddr_is_set(&conf->remotes.group) || conf->remotes.peers.count != 0)
		return conf->remotes.group;
	return etherip_group(encap->uplink->family, encap->network_id);
}

static int open_sockets(struct etherip_shared *shared, struct etherip *etherip)
{
	unsigned families = remotes_families(&etherip->remotes);
	bool udp = etherip->conf->transport == TRANSPORT_UDP;
	uint16_t port = (uint16_t)etherip->conf->port;
	int ret = udp ? udp_receivers_get(&shared->udp_receivers, families, port) : 0;

	for (unsigned i = 0; !udp && ret == 0 && i < 2; i++) {
		if (families & 1u << i)
			ret = etherip_receiver_open(shared, family_at(i));
	}
	if (ret == 0 && !udp)
		ret = etherip_rings_join(shared, etherip);
	if (ret < 0)
		return ret;
	ret = senders_get(senders_of(etherip), etherip->encap->uplink, families);
	if (ret < 0 && udp)
		udp_receivers_put(&shared->udp_receivers, families, port);
	if (ret < 0)
		etherip_rings_leave(etherip);
	return ret;
}

/* The receivers of protocol 97 stay as long as anybody is here. */
static void close_sockets(struct etherip_shared *shared, struct etherip *etherip)
{
	unsigned families = remotes_families(&etherip->remotes);

	etherip_rings_leave(etherip);
	senders_put(senders_of(etherip), etherip->encap->uplink, families);
	if (etherip->conf->transport == TRANSPORT_UDP)
		udp_receivers_put(&shared->udp_receivers, families, (uint16_t)etherip->conf->port);
}

int etherip_open(struct encap *encap, struct err *err)
{
	struct etherip *etherip = calloc(1, sizeof(*etherip));
	struct etherip_shared *shared = etherip ? shared_get(encap->host) : NULL;
	int ret = -ENOMEM;

	if (!shared)
		goto fail_alloc;
	etherip->encap = encap;
	etherip->conf = (const struct etherip_conf *)encap->conf;
	ret = remotes_init(&etherip->remotes, &etherip->conf->remotes);
	if (ret < 0)
		goto fail_shared;
	etherip->remotes.group = group_of(encap, etherip->conf);
	ret = open_sockets(shared, etherip);
	if (ret < 0)
		goto fail_remotes;
	ret = etherip_table_add(&shared->table, etherip);
	if (ret < 0)
		goto fail_sockets;
	encap->state = etherip;
	encap->clamp_mss = etherip->conf->clamp_mss;
	encap->oversize = (enum encap_oversize)etherip->conf->oversize;
	etherip_update_filter(shared);
	etherip_uplink_changed(encap);
	return 0;

fail_sockets:
	close_sockets(shared, etherip);
fail_remotes:
	remotes_fini(&etherip->remotes);
fail_shared:
	shared_put(shared);
fail_alloc:
	free(etherip);
	if (((const struct etherip_conf *)encap->conf)->transport == TRANSPORT_UDP)
		return err_set(err, -ret, "EtherIP needs UDP port %d: %s",
			       (int)((const struct etherip_conf *)encap->conf)->port,
			       strerror(-ret));
	return err_set(err, -ret, "EtherIP needs a raw socket of protocol 97: %s%s", strerror(-ret),
		       ret == -EPERM ? " (CAP_NET_RAW is missing)" : "");
}

/*
 * Everything but the group and the form of the header can change under way:
 * peers, sources, TTL, what to do with oversize. The group stays joined.
 */
int etherip_reconf(struct encap *encap, const struct encap_conf *common)
{
	const struct etherip_conf *conf = (const struct etherip_conf *)common;
	struct etherip *etherip = encap->state;
	struct etherip_shared *shared = shared_of(encap);
	struct ipaddr group = group_of(encap, conf);

	if (etherip->conf->nibbles != conf->nibbles ||
	    etherip->conf->transport != conf->transport || etherip->conf->port != conf->port)
		return ENCAP_RESTART;
	/* The table knows the peers. Whoever restarts may be out of it already. */
	etherip_table_del(&shared->table, etherip);
	if (remotes_reconf(&etherip->remotes, &conf->remotes, &group) < 0)
		return ENCAP_RESTART;
	etherip->conf = conf;
	encap->clamp_mss = conf->clamp_mss;
	encap->oversize = (enum encap_oversize)conf->oversize;
	/* The identifier was in the table a moment ago; plain peers may need memory. */
	return etherip_table_add(&shared->table, etherip) < 0 ? ENCAP_RESTART : 0;
}

/* A UDP port is one socket's; protocol 97 may have many. */
bool etherip_yield(struct encap *encap)
{
	struct etherip *etherip = encap->state;

	senders_yield(senders_of(etherip), encap->host, encap->uplink);
	etherip_rings_yield(etherip);
	return etherip->conf->transport == TRANSPORT_UDP;
}

void etherip_close(struct encap *encap)
{
	struct etherip *etherip = encap->state;
	struct etherip_shared *shared = shared_of(encap);

	group_unfollow(&shared->groups, &etherip->member, &etherip->remotes.group);
	etherip_table_del(&shared->table, etherip);
	close_sockets(shared, etherip);
	etherip_update_filter(shared);
	shared_put(shared);
	remotes_fini(&etherip->remotes);
	free(etherip);
	encap->state = NULL;
}

void etherip_show_io(const struct encap *encap, json_t *object)
{
	const struct etherip *etherip = encap->state;

	json_object_set_new(object, "bypassed", json_integer((json_int_t)encap->bypassed));
	json_object_set_new(object, "accelerated",
			    json_pack("{s:I, s:I}", "rx", (json_int_t)encap->accelerated.rx, "tx",
				      (json_int_t)encap->accelerated.tx));
	json_object_set_new(object, "joined", json_boolean(etherip->member.ifindex != 0));
	json_object_set_new(object, "kernel_filter", json_boolean(shared_of(encap)->kernel_filter));
}
