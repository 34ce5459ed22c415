/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks of a desired state as a whole. Names are looked up in tables and
 * encaps compared only where they could meet, since there may be ten thousand.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learn/fdb.h"
#include "lib/names.h"
#include "switchd/config.h"
#include "switchd/config_integrity.h"
#include "switchd/policy/plan.h"
#include "switchd/port/port.h"

#define IDS 4096

struct check {
	const struct desired *desired;
	struct names *names[DESIRED_KINDS];
	struct err *err;
};

/* ---- Messages ---- */

/*
 * Two objects that cannot both be. The message stands at the second, or at the
 * one that has a place in a file.
 */
static bool fail_two(const struct check *check, const struct desired_object *first,
		     const struct desired_object *second, const char *what)
{
	const struct desired_object *here = second, *other = first;
	char place[160] = "";

	if (!second->head.file && first->head.file) {
		here = first;
		other = second;
	}
	if (other->head.file)
		(void)snprintf(place, sizeof(place), " at %s:%d", other->head.file,
			       other->head.line);
	if (strcmp(here->owner, other->owner) == 0)
		return conf_fail(here, check->err, "%s%s%s", what, *place ? "; the other is" : "",
				 place);
	return conf_fail(here, check->err, "%s: the one here by %s, the other by %s%s", what,
			 here->owner, other->owner, place);
}

/* What a backend or a port type said about its part, with the object it belongs to in front. */
static bool fail_part(const struct check *check, enum desired_kind kind,
		      const struct desired_object *object, const struct conf_head *part,
		      const struct err *said)
{
	const char *what = said->text;
	char prefix[sizeof(said->text)];
	int n;

	/* It may have put the place, or the object, in front already. */
	if (part->file) {
		n = snprintf(prefix, sizeof(prefix), "%s:%d: ", part->file, part->line);
		if (n > 0 && strncmp(what, prefix, (size_t)n) == 0)
			what += n;
	}
	n = snprintf(prefix, sizeof(prefix), "%s \"%s\": ", desired_kind_name(kind), object->name);
	if (n > 0 && strncmp(what, prefix, (size_t)n) == 0)
		what += n;
	return conf_fail(part, check->err, "%s%s", prefix, *what ? what : "refused");
}

/* ---- Names ---- */

static bool check_names(const struct check *check, enum desired_kind kind)
{
	for (size_t i = 0; i < desired_count(check->desired, kind); i++) {
		const struct desired_object *object = desired_at(check->desired, kind, i);
		char what[128];
		int r;

		r = names_add(check->names[kind], object->name, (void *)(uintptr_t)object);
		if (r == 0)
			continue;
		if (r != -EEXIST)
			return err_set(check->err, ENOMEM, "out of memory") == 0;
		(void)snprintf(what, sizeof(what), "%s \"%.63s\" is there twice",
			       desired_kind_name(kind), object->name);
		return fail_two(check, names_find(check->names[kind], object->name), object, what);
	}
	return true;
}

/* ---- Uplinks ---- */

static bool check_uplink(const struct check *check, const struct uplink_conf *uplink)
{
	const struct ipaddr *addresses = uplink->addresses.items;
	bool seen[2] = {false, false}; /* IPv4, IPv6 */

	for (size_t i = 0; i < uplink->addresses.count; i++) {
		const struct ipaddr *addr = &addresses[i];
		bool *family = &seen[addr->family == AF_INET6];
		char text[ADDR_STRLEN];

		if (ipaddr_is_multicast(addr) || ipaddr_is_unspecified(addr) ||
		    (addr->family == AF_INET && addr->v4.s_addr == INADDR_BROADCAST))
			return conf_fail(uplink, check->err,
					 "uplink \"%s\": key \"address\": %s is not the address of "
					 "a host",
					 uplink->name, ipaddr_format(addr, text));
		if (*family)
			return conf_fail(uplink, check->err,
					 "uplink \"%s\": key \"address\": %s is the second of its "
					 "family (one IPv4 and one IPv6 address at most)",
					 uplink->name, ipaddr_format(addr, text));
		*family = true;
	}
	return true;
}

static bool check_uplinks(const struct check *check)
{
	const struct uplink_conf *uplinks = check->desired->uplinks.items;

	for (size_t i = 0; i < check->desired->uplinks.count; i++) {
		if (!check_uplink(check, &uplinks[i]))
			return false;
		/* Few; two names for one interface would hide conflicts of encaps. */
		for (size_t j = 0; j < i; j++)
			if (strcmp(uplinks[i].interface, uplinks[j].interface) == 0)
				return conf_fail(&uplinks[i], check->err,
						 "uplink \"%s\": interface \"%s\" is that of "
						 "uplink \"%s\" already",
						 uplinks[i].name, uplinks[i].interface,
						 uplinks[j].name);
	}
	return true;
}

/* ---- Segments ---- */

static bool check_segment(const struct check *check, const struct segment_conf *segment)
{
	const int64_t *reserved = segment->reserved.items;

	if (segment->id > 0 && (segment->id & 0xff) == 0)
		return conf_fail(segment, check->err,
				 "segment \"%s\": key \"id\": %d has a zero low byte, which peers "
				 "that know no identifiers take for 0",
				 segment->name, (int)segment->id);
	if (segment->fdb_port_max > segment->fdb_max)
		return conf_fail(segment, check->err,
				 "segment \"%s\": key \"fdb_port_max\": %d is more than the "
				 "segment's fdb_max (%d)",
				 segment->name, (int)segment->fdb_port_max, (int)segment->fdb_max);
	for (size_t i = 0; i < segment->reserved.count; i++)
		if (reserved[i] == 0x01)
			return conf_fail(segment, check->err,
					 "segment \"%s\": key \"reserved\": 0x01 (pause) is never "
					 "forwarded: it would stop a port of another link",
					 segment->name);
	return true;
}

static bool check_encap(const struct check *check, const struct segment_conf *segment,
			const struct encap_conf *conf)
{
	const struct encap_ops *ops = encap_find(conf->type);
	struct err said = {""};

	if (!names_find(check->names[DESIRED_UPLINK], conf->uplink))
		return conf_fail(conf, check->err,
				 "segment \"%s\": %s encap: there is no uplink \"%.63s\"",
				 segment->name, conf->type, conf->uplink);
	if (ops->alone && segment->encaps.count > 1)
		return conf_fail(conf, check->err,
				 "segment \"%s\": %s encap: there is another, and beside this type "
				 "there can be none",
				 segment->name, conf->type);
	if (ops->check && ops->check(conf, segment->id, &said) < 0)
		return fail_part(check, DESIRED_SEGMENT, (const void *)segment, &conf->head, &said);
	return true;
}

/* A relay has one LAN, and everything else behind it. */
static bool check_relay(const struct check *check, const struct segment_conf *segment)
{
	const struct encap_conf *lan = NULL, *wan = NULL;

	for (size_t i = 0; i < segment->encaps.count && !wan; i++)
		if (segment_conf_encap(segment, i)->relay)
			wan = segment_conf_encap(segment, i);
	if (!wan)
		return segment->relay_id == 0 ||
		       conf_fail(
			   segment, check->err,
			   "segment \"%s\": key \"relay_id\" is for relays, and no encap says "
			   "relay = true",
			   segment->name);
	if (segment->encaps.count == 1)
		return conf_fail(
		    wan, check->err,
		    "segment \"%s\": %s encap: key \"relay\": it is the only encap, so "
		    "there is nothing to relay to",
		    segment->name, wan->type);
	for (size_t i = 0; i < segment->encaps.count; i++) {
		const struct encap_conf *conf = segment_conf_encap(segment, i);

		if (conf->relay)
			continue;
		if (lan)
			return conf_fail(conf, check->err,
					 "segment \"%s\": %s encap: this and the %s encap are both "
					 "without relay = true: only one can be the relay's LAN",
					 segment->name, conf->type, lan->type);
		lan = conf;
	}
	return lan ||
	       conf_fail(wan, check->err,
			 "segment \"%s\": %s encap: key \"relay\": all encaps say it: the one "
			 "that is the relay's LAN must not",
			 segment->name, wan->type);
}

static bool check_ids(const struct check *check)
{
	const struct segment_conf *segments = check->desired->segments.items;
	const struct segment_conf *by_id[IDS] = {NULL};

	for (size_t i = 0; i < check->desired->segments.count; i++) {
		const struct segment_conf *segment = &segments[i];
		char what[160];

		if (segment->id <= 0)
			continue;
		if (!by_id[segment->id]) {
			by_id[segment->id] = segment;
			continue;
		}
		(void)snprintf(what, sizeof(what),
			       "segment \"%s\": id %d is that of \"%s\" already", segment->name,
			       (int)segment->id, by_id[segment->id]->name);
		return fail_two(check, (const void *)by_id[segment->id], (const void *)segment,
				what);
	}
	return true;
}

static bool check_segments(const struct check *check)
{
	const struct segment_conf *segments = check->desired->segments.items;
	size_t count = check->desired->segments.count;

	if (count >= FDB_SEGMENTS_MAX)
		return conf_fail(&segments[FDB_SEGMENTS_MAX - 1], check->err,
				 "segment \"%s\": more than %u segments",
				 segments[FDB_SEGMENTS_MAX - 1].name, FDB_SEGMENTS_MAX - 1);
	for (size_t i = 0; i < count; i++) {
		if (!check_segment(check, &segments[i]))
			return false;
		for (size_t j = 0; j < segments[i].encaps.count; j++)
			if (!check_encap(check, &segments[i], segment_conf_encap(&segments[i], j)))
				return false;
		if (!check_relay(check, &segments[i]))
			return false;
	}
	return check_ids(check);
}

/* ---- Encaps against each other ---- */

struct encap_ref {
	const struct segment_conf *segment;
	const struct encap_conf *conf;
	const struct encap_ops *ops;
	uint64_t key;
	size_t order;
};

/* Brings those together that could be in conflict: of one type, with one key or,
 * where keys sort, on one uplink. */
static int ref_compare(const void *a, const void *b)
{
	const struct encap_ref *one = a, *two = b;
	int uplink;

	if (one->ops != two->ops)
		return (uintptr_t)one->ops < (uintptr_t)two->ops ? -1 : 1;
	uplink = one->ops->key_sorts ? strcmp(one->conf->uplink, two->conf->uplink) : 0;
	if (uplink != 0)
		return uplink;
	if (one->key != two->key)
		return one->key < two->key ? -1 : 1;
	return (one->order > two->order) - (one->order < two->order);
}

/* NULL when out of memory. */
static struct encap_ref *list_encaps(const struct desired *desired, size_t *count)
{
	const struct segment_conf *segments = desired->segments.items;
	struct encap_ref *refs;
	size_t at = 0;

	*count = 0;
	for (size_t i = 0; i < desired->segments.count; i++)
		*count += segments[i].encaps.count;
	refs = calloc(*count + 1, sizeof(*refs));
	if (!refs)
		return NULL;
	for (size_t i = 0; i < desired->segments.count; i++) {
		for (size_t j = 0; j < segments[i].encaps.count; j++, at++) {
			refs[at].segment = &segments[i];
			refs[at].conf = segment_conf_encap(&segments[i], j);
			refs[at].ops = encap_find(refs[at].conf->type);
			refs[at].key = (uint64_t)segments[i].id;
			if (refs[at].ops->key)
				refs[at].key = refs[at].ops->key(refs[at].conf, segments[i].id);
			refs[at].order = at;
		}
	}
	qsort(refs, *count, sizeof(*refs), ref_compare);
	return refs;
}

static bool check_encap_pair(const struct check *check, const struct encap_ref *first,
			     const struct encap_ref *second)
{
	if (!first->ops->conflict || !first->ops->conflict(first->conf, first->segment->id,
							   second->conf, second->segment->id))
		return true;
	return conf_fail(second->conf, check->err,
			 "segment \"%s\": this %s encap and one of segment \"%s\" cannot both be: "
			 "frames could not be told apart",
			 second->segment->name, second->conf->type, first->segment->name);
}

/* The accelerator strips packets before packet sockets see them, so that these would take
 * what is inside for what is on the wire. */
static bool check_fast(const struct check *check, const struct encap_ref *ref)
{
	const struct uplink_conf *uplink =
	    names_find(check->names[DESIRED_UPLINK], ref->conf->uplink);

	if (!uplink || uplink->fast != FAST_BPF || ref->ops->kind == ENCAP_ETHERIP ||
	    ref->ops->kind == ENCAP_VXLAN)
		return true;
	return conf_fail(ref->conf, check->err,
			 "segment \"%s\": this %s encap cannot be on uplink \"%s\": key \"fast\" "
			 "is \"bpf\" there",
			 ref->segment->name, ref->conf->type, uplink->name);
}

static bool check_encaps(const struct check *check)
{
	size_t count;
	struct encap_ref *refs = list_encaps(check->desired, &count);
	bool ok = true;

	if (!refs)
		return err_set(check->err, ENOMEM, "out of memory") == 0;
	for (size_t i = 0; ok && i < count; i++)
		ok = check_fast(check, &refs[i]);
	for (size_t i = 1; ok && i < count; i++) {
		if (refs[i].ops->key_sorts) {
			if (refs[i - 1].ops == refs[i].ops)
				ok = check_encap_pair(check, &refs[i - 1], &refs[i]);
			continue;
		}
		for (size_t j = i; ok && j > 0 && refs[j - 1].ops == refs[i].ops &&
				   refs[j - 1].key == refs[i].key;
		     j--)
			ok = check_encap_pair(check, &refs[j - 1], &refs[i]);
	}
	free(refs);
	return ok;
}

/* ---- Ports ---- */

/* What an uplink uses is no port's, neither taken nor made: a host port of that name would
 * be its own uplink. A wildcard just passes it over. */
static bool check_port_interface(const struct check *check, const struct port_conf *port)
{
	const struct uplink_conf *uplinks = check->desired->uplinks.items;
	const struct port_ops *ops = port_ops_find(port->type);
	const char *interface = ops->interface ? ops->interface(port) : NULL;

	for (size_t i = 0; interface && i < check->desired->uplinks.count; i++) {
		if (strcmp(uplinks[i].interface, interface) == 0)
			return conf_fail(port, check->err,
					 "port \"%s\": interface \"%s\" is that of uplink \"%s\"",
					 port->name, interface, uplinks[i].name);
	}
	return true;
}

/* What cannot be told apart, or that a guest could abuse, is refused. */
static bool check_trunk(const struct check *check, const struct port_conf *port)
{
	const struct trunk_conf *trunk = port->trunk.items;
	const char *native = port_conf_untagged(port);
	struct names *seen = names_create();
	bool vids[4096] = {false};
	bool ok = seen && (!native || names_add(seen, native, (void *)(uintptr_t)native) == 0);

	if (!ok)
		(void)err_set(check->err, ENOMEM, "out of memory");
	for (size_t i = 0; ok && i < port->trunk.count; i++) {
		const char *segment = trunk[i].segment;

		if (vids[trunk[i].vid])
			ok = conf_fail(&trunk[i], check->err,
				       "port \"%s\": key \"trunk\": VID %d is there twice",
				       port->name, (int)trunk[i].vid);
		else if (!names_find(check->names[DESIRED_SEGMENT], segment))
			ok = conf_fail(&trunk[i], check->err,
				       "port \"%s\": key \"trunk\": VID %d: there is no segment "
				       "\"%.63s\"",
				       port->name, (int)trunk[i].vid, segment);
		else if (names_find(seen, segment))
			ok = conf_fail(&trunk[i], check->err,
				       "port \"%s\": key \"trunk\": VID %d: the port is in segment "
				       "\"%s\" already",
				       port->name, (int)trunk[i].vid, segment);
		else if (names_add(seen, segment, (void *)(uintptr_t)segment) < 0)
			ok = err_set(check->err, ENOMEM, "out of memory") == 0;
		vids[trunk[i].vid] = true;
	}
	names_destroy(seen);
	return ok;
}

static bool check_port_segments(const struct check *check, const struct port_conf *port)
{
	const char *untagged = port_conf_untagged(port);
	const struct segment_conf *segment;

	if (port->trunk.count == 0 && port->native)
		return conf_fail(
		    port, check->err,
		    "port \"%s\": key \"native\" is for trunk ports: without \"trunk\" it "
		    "is \"segment\"",
		    port->name);
	if (port->segment && port->native)
		return conf_fail(
		    port, check->err,
		    "port \"%s\": on a trunk port, \"segment\" and \"native\" both name "
		    "the segment of frames without a tag: give one of them",
		    port->name);
	if (port->trunk.count == 0 && !port->segment)
		return conf_fail(port, check->err, "port \"%s\": key \"segment\" is missing",
				 port->name);
	if (!untagged && port->trunk.count == 0)
		untagged = port->segment;
	segment = untagged ? names_find(check->names[DESIRED_SEGMENT], untagged) : NULL;
	if (untagged && !segment)
		return conf_fail(port, check->err, "port \"%s\": there is no segment \"%.63s\"",
				 port->name, untagged);
	if (port->trunk.count && segment && segment->tags == TAGS_PASS)
		return conf_fail(
		    port, check->err,
		    "port \"%s\": segment \"%s\" passes tags and cannot be native: its "
		    "tagged frames would look like those of the trunk's VLANs",
		    port->name, segment->name);
	return port->trunk.count == 0 || check_trunk(check, port);
}

/* Who says of which domain a guest is wants no other's segment for it, also not later. */
static bool check_port_domain(const struct check *check, const struct port_conf *port,
			      const struct segment_conf *segment)
{
	if (!port->domain || strcmp(port->domain, segment->domain) == 0)
		return true;
	return conf_fail(port, check->err,
			 "port \"%s\" is for %s%.63s%s, and segment \"%s\" belongs to "
			 "%s%s%s",
			 port->name, *port->domain ? "domain \"" : "the default domain",
			 port->domain, *port->domain ? "\"" : "", segment->name,
			 *segment->domain ? "domain \"" : "none", segment->domain,
			 *segment->domain ? "\"" : "");
}

static bool check_port_domains(const struct check *check, const struct port_conf *port)
{
	const struct names *segments = check->names[DESIRED_SEGMENT];
	const struct trunk_conf *trunk = port->trunk.items;
	const char *untagged = port_conf_untagged(port);

	if (untagged && !check_port_domain(check, port, names_find(segments, untagged)))
		return false;
	for (size_t i = 0; i < port->trunk.count; i++) {
		if (!check_port_domain(check, port, names_find(segments, trunk[i].segment)))
			return false;
	}
	return true;
}

static bool check_port(const struct check *check, const struct port_conf *port)
{
	const struct port_ops *ops = port_ops_find(port->type);
	const struct mac *macs = port->macs.items;
	struct err said = {""};

	if (!config_name_ok(port->name))
		return conf_fail(port, check->err,
				 "port \"%.63s\": key \"name\" is not a name (1 to 63 letters, "
				 "digits, and characters of \"_.-\")",
				 port->name);
	if (!check_port_segments(check, port))
		return false;
	if (!check_port_domains(check, port))
		return false;
	for (size_t i = 0; i < port->macs.count; i++) {
		char text[MAC_STRLEN];

		if (mac_is_group(&macs[i]) || mac_is_zero(&macs[i]))
			return conf_fail(port, check->err,
					 "port \"%s\": key \"macs\": %s is not the address of an "
					 "interface",
					 port->name, mac_format(&macs[i], text));
	}
	if (ops->check && ops->check(port, &said) < 0)
		return fail_part(check, DESIRED_PORT, (const void *)port, &port->head, &said);
	return check_port_interface(check, port);
}

/* The first port before the i-th with which that cannot be, or NULL. */
static const struct port_conf *rival(const struct check *check, const struct port_ops *const *ops,
				     size_t i)
{
	const struct port_conf *port = desired_port_at(check->desired, i);

	for (size_t j = 0; ops[i]->conflict && j < i; j++) {
		const struct port_conf *other = desired_port_at(check->desired, j);

		if (ops[j] == ops[i] && ops[i]->conflict(other, port))
			return other;
	}
	return NULL;
}

static bool check_ports(const struct check *check)
{
	size_t count = check->desired->ports.count;
	const struct port_ops **ops = calloc(count + 1, sizeof(const struct port_ops *));
	bool ok = true;

	if (!ops)
		return err_set(check->err, ENOMEM, "out of memory") == 0;
	for (size_t i = 0; ok && i < count; i++) {
		ok = check_port(check, desired_port_at(check->desired, i));
		ops[i] = port_ops_find(desired_port_at(check->desired, i)->type);
	}
	for (size_t i = 1; ok && i < count; i++) {
		const struct port_conf *port = desired_port_at(check->desired, i);
		const struct port_conf *other = rival(check, ops, i);
		char what[200];
		bool device = strcmp(port->type, "tap") == 0 || strcmp(port->type, "netdev") == 0;

		if (!other)
			continue;
		(void)snprintf(what, sizeof(what), "port \"%s\" and port \"%s\" want the same %s",
			       port->name, other->name, device ? "interface" : "socket");
		ok = fail_two(check, (const void *)other, (const void *)port, what);
	}
	free(ops);
	return ok;
}

int desired_check(struct desired *desired, struct err *err)
{
	struct check check = {.desired = desired, .err = err};
	bool ok = true;

	if (desired->connections_guest_max > desired->connections_max)
		return err_set(
		    err, EINVAL,
		    "key \"connections_guest_max\": %d is more than connections_max (%d)",
		    (int)desired->connections_guest_max, (int)desired->connections_max);
	for (int kind = 0; kind < DESIRED_KINDS; kind++) {
		check.names[kind] = names_create();
		ok = ok && (check.names[kind] || err_set(err, ENOMEM, "out of memory") == 0);
	}
	for (int kind = 0; ok && kind < DESIRED_KINDS; kind++)
		ok = check_names(&check, (enum desired_kind)kind);
	ok = ok && (config_policy_complete(desired) || err_set(err, ENOMEM, "out of memory") == 0);
	ok = ok && check_uplinks(&check) && check_segments(&check) && check_encaps(&check) &&
	     check_ports(&check) && config_policy_check(desired, err) && plan_check(desired, err) &&
	     config_integrity(desired, err);
	for (int kind = 0; kind < DESIRED_KINDS; kind++)
		names_destroy(check.names[kind]);
	return ok ? 0 : -EINVAL;
}

/* ---- What is allowed, and said ---- */

/* A WAN that is a group which no router passes on, or NULL. */
static const struct encap_conf *local_wan(const struct segment_conf *segment)
{
	for (size_t i = 0; segment && i < segment->encaps.count; i++) {
		const struct encap_conf *conf = segment_conf_encap(segment, i);
		const struct encap_ops *ops = encap_find(conf->type);

		if (conf->relay && ops->has_hosts && !conf_given(ops->schema, conf, "peers") &&
		    !conf_given(ops->schema, conf, "ttl"))
			return conf;
	}
	return NULL;
}

static bool unlimited_relay(const struct segment_conf *segment)
{
	for (size_t i = 0; segment && segment->storm == 0 && i < segment->encaps.count; i++)
		if (segment_conf_encap(segment, i)->relay)
			return true;
	return false;
}

static void warn_of_relays(const struct desired *desired, const struct desired *former,
			   void (*tell)(const char *text))
{
	const struct segment_conf *segments = desired->segments.items;

	for (size_t i = 0; i < desired->segments.count; i++) {
		const struct segment_conf *segment = &segments[i];
		const struct encap_conf *wan = local_wan(segment);
		const bool unlimited = unlimited_relay(segment);
		const struct segment_conf *was = NULL;
		struct err said = {""};

		/* Few are looked for: by name that takes as long as there are segments. */
		if (former && (wan || unlimited))
			was = desired_segment(former, segment->name);
		if (wan && !local_wan(was)) {
			(void)conf_fail(
			    wan, &said,
			    "warning: segment \"%s\": %s encap: behind this relay is a "
			    "group with a ttl of 1, which routers do not pass on: name the "
			    "other relays as `peers`, or give a `ttl`",
			    segment->name, wan->type);
			tell(said.text);
		}
		if (unlimited && !unlimited_relay(was)) {
			(void)conf_fail(
			    segment, &said,
			    "warning: segment \"%s\": with storm = 0 nothing limits what "
			    "its relay floods across",
			    segment->name);
			tell(said.text);
		}
	}
}

void desired_warn(const struct desired *desired, const struct desired *former,
		  void (*tell)(const char *text))
{
	warn_of_relays(desired, former, tell);
	plan_warn(desired, former, tell);
}
