/* Re-addresses settled plain flows at the device, as an XDP program.
 *
 * There is a row for each media port of each local address, which says who alone may send there and
 * where his packets go. They are sent on from here. What needs hands is passed up to the sockets, and what strangers send
 * is dropped; each has one counter per reason. Rows, places and counters are laid out as in
 * relay/route/src/settled.rs, which also says what each means.
 * Compiled by scripts/build-bpf; needs no headers.
 */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SECTION(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define UNLIKELY(what) __builtin_expect(!!(what), 0)
#define AT(type, place) (*(type *)(place))
#define AFTER_ALL_READS() asm volatile("" ::: "memory")
#define ONCE(word) (*(const volatile __typeof__(word) *)&(word))

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "headers are written for little-endian machines"
#endif
#define BE16(x) __builtin_bswap16(x)
#define BE32(x) __builtin_bswap32(x)

/* The kernel's interface: helpers by number, and what it hands to an XDP program. */
struct xdp_md { u32 data, data_end, data_meta, ingress, queue, egress; };
/* Up to `mtu` the question, from there on the answer. */
struct fib {
	u8 family, protocol;
	u16 source_port, target_port;
	u16 mtu; /* asked for with 0 */
	u32 ifindex, tos;
	u8 source[16], target[16];
	u32 tag;
	u8 from[6], to[6];
};
static void *(*const map_lookup)(void *map, const void *key) = (void *)1;
static long (*const map_update)(void *map, const void *key, const void *value, u64 how) = (void *)2;
/* The exact clock waits for all that was asked of memory, and costs a third of everything else; the
 * one that ticks some hundred times a second does for all but jitter.
 */
static u64 (*const exact_ns)(void) = (void *)5;
static u64 (*const ticking_ns)(void) = (void *)160;
static long (*const redirect)(u32 ifindex, u64 flags) = (void *)23;
static long (*const adjust_head)(struct xdp_md *frame, int by) = (void *)44;
static long (*const adjust_tail)(struct xdp_md *frame, int by) = (void *)65;
static long (*const fib_lookup)(struct xdp_md *frame, struct fib *fib, int size, u32 how) = (void *)69;
enum { XDP_ABORTED, XDP_DROP, XDP_PASS, XDP_TX };
enum { FIB_FORWARDING_OFF = 5, FIB_NO_NEIGHBOUR = 7 };
enum { HASH = 1, ARRAY = 2, PERCPU_ARRAY = 6, LRU_HASH = 9, MMAPABLE = 1 << 10 };
struct map { u32 type, key_size, value_size, max_entries, flags; };
#define MAP(name, kind, key, value, entries) \
	struct map SECTION("maps") name = { kind, sizeof(key), sizeof(value), entries, 0 }
#define SHARED(name, value) \
	struct map SECTION("maps") name = { ARRAY, sizeof(u32), sizeof(value), 1, MMAPABLE }

/* What became of a packet; `Fate` in relay/route/src/fate.rs. */
enum fate {
	SENT_ON,
	DROP_STRANGER, DROP_SOURCE_LIMITED, DROP_UNKNOWN_LIMITED, DROP_FLOOD, DROP_AWAY,
	UP_UNKNOWN, UP_HANDS, UP_CHANGED, UP_STUN, UP_DTLS, UP_FRAGMENT, UP_OPTIONS, UP_MALFORMED,
	UP_CHECKSUM, UP_TOO_BIG, UP_NO_ROUTE, UP_LOOKUPS_OFF, UP_NO_NEIGHBOUR, UP_OTHER_DEVICE,
	UP_NO_ROOM,
	FATES,
	/* On the way to one of these. */
	GOES_ON,
	/* None of our business: passed up, and not counted. */
	NOT_OURS,
};

enum { V4 = 4, V6 = 6 };
/* Generations of rows that say nothing, and nothing yet. */
enum { NOTHING, IN_CHANGE };
enum { FLAG_UP = 1, FLAG_PLAIN = 2, FLAG_TO_V6 = 4, FLAG_SET_DSCP = 8, FLAG_HEAR = 16 };
enum {
	ETHERNET = 14, TAG = 4, V4_HEAD = 20, V6_HEAD = 40, UDP_HEAD = 8, RTP_HEAD = 12,
	STUN_HEAD = 20, DTLS_HEAD = 13,
	IS_UDP = 17, HOPS = 64, INET = 2, INET6 = 10, LOOPBACK = 1,
	MAX_DATAGRAM = 9216,
	/* Of what may be summed anew: that of the usual MTU, in words of 8 bytes. */
	SUM_WORDS = 185,
	/* What becomes of a checksum. */
	KEEPS_SUM = 0, MAKES_SUM, LEAVES_SUM,
	/* Local addresses; relay/route's MAX_STEERED_IPS. */
	ADDRESSES = 8,
	/* Of a window in ns. */
	WINDOW_SHIFT = 23,
	/* Windows that the exact clock may be ahead of the one that ticks: half a minute. */
	MAX_AHEAD = 4096,
	/* RFC 3550 appendix A.1: further ahead or behind, it is another stream. */
	MAX_DROPOUT = 3000, MAX_MISORDER = 100, MAX_TRANSIT = 1 << 24,
};

/* What was heard of an RTP stream; `Reception` in relay/route/src/reception.rs. */
struct reception {
	u64 arrival;
	u32 ssrc, missing, late, jitter, timestamp;
	u16 next, heard;
};

/* What is to be done, what was done, and how the flow's packets leave. All in one place: with as many
 * flows as a host can have, each further place is fetched from memory. A flow comes to one core as
 * long as the device spreads by addresses and ports, so the counters are not kept by core.
 */
struct row {
	u32 generation, ticks;
	u64 source[2], from[2], to[2];
	u16 source_port, from_port, to_port;
	u8 flags, dscp;

	u16 udp_sum, ip_sum;
	u32 hop_until;
	u8 to_mac[6], from_mac[6];
	u16 mtu, tag;
	u32 hop_generation, ifindex;
	u32 window, taken;
	u64 packets, bytes, last;

	struct reception heard;
	u64 strangers;
	/* The engine's own. */
	u32 before, spare[5];
};
/* By address and port; their number is set when they are made. */
SHARED(rows, struct row);

/* What the engine says of itself and of the ports. Times in ns of the ticking clock. */
struct places {
	u64 away_after, gone_after;
	u32 first_port, ports, addresses, is_generic;
	u64 address[ADDRESSES][2];
};
SHARED(places, struct places);

/* Packets, and payload bytes of those that were sent on. */
struct fates { u64 count[FATES], bytes; };
MAP(fates, PERCPU_ARRAY, u32, struct fates, 1);

/* The devices that packets may leave by, by the index that the routing table gives. */
struct device { u32 ifindex, tag; };
MAP(devices, HASH, u32, struct device, 1);

/* A bucket is kept as the time at which it will be full again. */
struct bucket { u64 full_at; };
MAP(strangers, LRU_HASH, u64, struct bucket, 1);
MAP(unknown, PERCPU_ARRAY, u32, struct bucket, 1);

/* When packets last left by a next hop. */
struct hop { u32 ifindex, family; u8 ip[16]; };
MAP(neighbours, LRU_HASH, struct hop, u64, 1);

/* Set before the program is loaded. Times in ns. */
const volatile u32 first_port = 1, last_port = 0;
const volatile u64 source_token = 1, source_fill = 1, unknown_token = 1, unknown_fill = 1;
const volatile u32 packets_per_window = 1;
const volatile u64 hop_age = 1;
/* Of the sequence number's bits; packets in which these are 0 are those that jitter is taken of. */
const volatile u32 jitter_mask = 0;

_Static_assert(sizeof(struct row) == 192, "three cache lines");
_Static_assert(sizeof(struct fib) == 64, "the kernel's");
/* The same as numbers, for the test that compares them with settled.rs. */
#define OFFSET(type, field) __builtin_offsetof(struct type, field)
const u32 layout[] SECTION("layout_of") = {
	sizeof(struct row), OFFSET(row, ticks), OFFSET(row, source), OFFSET(row, from), OFFSET(row, to),
	OFFSET(row, source_port), OFFSET(row, from_port), OFFSET(row, to_port), OFFSET(row, flags),
	OFFSET(row, dscp), OFFSET(row, udp_sum), OFFSET(row, ip_sum), OFFSET(row, hop_until),
	OFFSET(row, hop_generation), OFFSET(row, window), OFFSET(row, packets), OFFSET(row, bytes),
	OFFSET(row, last), OFFSET(row, heard), OFFSET(row, strangers),
	sizeof(struct reception), OFFSET(reception, ssrc), OFFSET(reception, missing),
	OFFSET(reception, jitter), OFFSET(reception, next),
	sizeof(struct places), OFFSET(places, gone_after), OFFSET(places, addresses),
	OFFSET(places, address), ADDRESSES,
	sizeof(struct hop), OFFSET(hop, ip),
	NOTHING, IN_CHANGE, FATES, UP_UNKNOWN,
	FLAG_UP, FLAG_PLAIN, FLAG_TO_V6, FLAG_SET_DSCP, FLAG_HEAR, MAX_DATAGRAM, 1u << WINDOW_SHIFT,
	sizeof(struct device), sizeof(struct bucket),
};

/* What a packet takes of its row, so that it leaves as the row was at one moment. */
struct leaving {
	u64 from[2], to[2];
	u16 from_port, to_port;
	u8 flags, dscp;
	u16 udp_sum, ip_sum;
	u16 tag;
	u8 sum;
	u32 ifindex;
	u64 macs;
	u32 more_of_macs;
};

/* A UDP packet as it came. */
struct seen {
	u64 local[2], source[2];
	u64 now;    /* of the ticking clock */
	u32 is_generic;
	u32 head;   /* bytes in front of the UDP header */
	u32 excess; /* bytes behind the datagram: a short frame's padding */
	u16 source_port, port;
	u16 udp_len;
	u8 family, tos;
};

/* Says to the verifier that it is below 64, which the compiler knows and would leave out. */
INLINE u32 bounded(u32 head)
{
	asm volatile("" : "+r"(head));
	return head & 63;
}

INLINE u32 folded(u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

INLINE void address_v4(u64 *to, u32 ip)
{
	to[0] = 0;
	to[1] = 0xffff0000ull | (u64)ip << 32;
}

INLINE void address_v6(u64 *to, const u8 *ip)
{
	to[0] = AT(u64, ip);
	to[1] = AT(u64, ip + 8);
}

/* The UDP header, whose length must be what the IP header says. */
INLINE int read_udp(const u8 *udp, u32 rest, u32 ip_payload, struct seen *p)
{
	p->source_port = AT(u16, udp);
	p->port = AT(u16, udp + 2);
	p->udp_len = BE16(AT(u16, udp + 4));
	if (p->udp_len != ip_payload || ip_payload < UDP_HEAD || ip_payload > rest ||
	    ip_payload > MAX_DATAGRAM + UDP_HEAD)
		return UP_MALFORMED;
	p->excess = rest - ip_payload;
	return GOES_ON;
}

INLINE int read_v4(const u8 *ip, const u8 *end, struct seen *p)
{
	if (ip + V4_HEAD > end || ip[9] != IS_UDP)
		return NOT_OURS;
	if (ip[0] != 0x45)
		return ip[0] >> 4 == 4 ? UP_OPTIONS : NOT_OURS;
	/* More fragments, or not the first one. */
	if (AT(u16, ip + 6) & BE16(0x3fff))
		return UP_FRAGMENT;
	if (ip + V4_HEAD + UDP_HEAD > end)
		return UP_MALFORMED;
	p->family = V4;
	address_v4(p->local, AT(u32, ip + 16));
	address_v4(p->source, AT(u32, ip + 12));
	p->tos = ip[1];
	p->head += V4_HEAD;
	/* A total length below the header's becomes one that no frame has room for. */
	return read_udp(ip + V4_HEAD, (u32)(end - ip) - V4_HEAD, (u32)BE16(AT(u16, ip + 2)) - V4_HEAD, p);
}

INLINE int is_extension(u8 next)
{
	/* Hop by hop, routing, fragment, authentication, destination options. */
	return next == 0 || next == 43 || next == 44 || next == 51 || next == 60;
}

INLINE int read_v6(const u8 *ip, const u8 *end, struct seen *p)
{
	if (ip + V6_HEAD + UDP_HEAD > end || ip[0] >> 4 != 6)
		return NOT_OURS;
	if (ip[6] != IS_UDP) {
		if (!is_extension(ip[6]) || ip[V6_HEAD] != IS_UDP)
			return NOT_OURS;
		return ip[6] == 44 ? UP_FRAGMENT : UP_OPTIONS;
	}
	p->family = V6;
	address_v6(p->local, ip + 24);
	address_v6(p->source, ip + 8);
	/* An IPv4-mapped address (RFC 4291 section 2.5.5.2) is not the IPv4 address. */
	if (!p->local[0] && (u32)p->local[1] == 0xffff0000)
		return NOT_OURS;
	p->tos = ip[0] << 4 | ip[1] >> 4;
	p->head += V6_HEAD;
	return read_udp(ip + V6_HEAD, (u32)(end - ip) - V6_HEAD, BE16(AT(u16, ip + 4)), p);
}

/* An Ethernet frame, with one 802.1Q tag or none. */
INLINE int read_frame(const u8 *frame, const u8 *end, struct seen *p)
{
	u16 type;

	/* An IP packet that is for one host alone does not come in a frame for many. */
	if (frame + ETHERNET + TAG > end || frame[0] & 1)
		return NOT_OURS;
	type = AT(u16, frame + 12);
	p->head = ETHERNET;
	if (type == BE16(0x8100)) {
		type = AT(u16, frame + 16);
		p->head += TAG;
	}
	if (type == BE16(0x0800))
		return read_v4(frame + p->head, end, p);
	if (type == BE16(0x86dd))
		return read_v6(frame + p->head, end, p);
	return NOT_OURS;
}

/* Takes a token, if there is one. */
INLINE int take(struct bucket *bucket, u64 now, u64 token, u64 fill)
{
	u64 full_at = (bucket->full_at > now ? bucket->full_at : now) + token;

	if (full_at - now > fill)
		return 0;
	bucket->full_at = full_at;
	return 1;
}

/* Time in which next hops age: about a millisecond. */
INLINE u32 hop_time(u64 now)
{
	return now >> 20;
}

/* Whether an unknown source may trouble the sockets: it has a bucket of its own, so that a loud one
 * is heard no more, and all of them share one on each core, because sources can be made up.
 */
INLINE int admit(const struct seen *p)
{
	/* As in relay/src/strangers.rs: an IPv4 address, or the upper half of an IPv6 address. */
	u64 source = p->family == V4 ? 0xffffffff00000000ull | p->source[1] >> 32 : p->source[0];
	u64 now = p->now;
	struct bucket *known = map_lookup(&strangers, &source), *all;
	u32 zero = 0;

	if (known) {
		if (!take(known, now, source_token, source_fill))
			return DROP_SOURCE_LIMITED;
	} else {
		struct bucket new = { now + source_token };

		map_update(&strangers, &source, &new, 0);
	}
	all = map_lookup(&unknown, &zero);
	if (!all || !take(all, now, unknown_token, unknown_fill))
		return DROP_UNKNOWN_LIMITED;
	return UP_UNKNOWN;
}

/* What a plain flow has no use for is judged by the sockets; as `foreign` in relay/src/forward.rs. */
INLINE int foreign(const u8 *body, const u8 *end, u32 len)
{
	if (body + 1 > end || !len)
		return GOES_ON;
	if (body[0] <= 3 && len >= STUN_HEAD)
		return UP_STUN;
	if (body[0] >= 20 && body[0] <= 63 && len >= DTLS_HEAD)
		return UP_DTLS;
	return GOES_ON;
}

/* A header that was damaged on its way must not get a checksum that says otherwise. */
INLINE int is_damaged(const u8 *ip, const u8 *end)
{
	u64 sum = 0;

	if (ip + V4_HEAD > end)
		return 1;
#pragma unroll
	for (u32 i = 0; i < V4_HEAD; i += 4)
		sum += AT(u32, ip + i);
	return folded(sum) != 0xffff;
}

/* A neighbour whom the kernel believes to be there may have gone: only what sockets send makes it
 * ask. So the engine is told who is in use, and has the kernel ask.
 */
INLINE void note_neighbour(const struct fib *fib, u64 now)
{
	struct hop hop = { .ifindex = fib->ifindex, .family = fib->family };

	if (fib->family == INET)
		__builtin_memcpy(hop.ip, fib->target, 4);
	else
		__builtin_memcpy(hop.ip, fib->target, 16);
	map_update(&neighbours, &hop, &now, 0);
}

/* Asks the routing table how the flow's packets leave. Asked as if they came from the loopback
 * device, which is what the kernel does for packets of its own.
 */
INLINE int find_hop(struct xdp_md *frame, struct row *row, u32 generation, u8 tos, u64 now)
{
	struct fib fib = {
		.protocol = IS_UDP, .source_port = row->from_port, .target_port = row->to_port,
		.ifindex = LOOPBACK,
	};
	struct device *device;
	long answer;

	if (row->flags & FLAG_TO_V6) {
		fib.family = INET6;
		fib.tos = BE32((u32)tos << 20);
		__builtin_memcpy(fib.source, row->from, 16);
		__builtin_memcpy(fib.target, row->to, 16);
	} else {
		fib.family = INET;
		fib.tos = tos;
		AT(u32, fib.source) = row->from[1] >> 32;
		AT(u32, fib.target) = row->to[1] >> 32;
	}
	answer = fib_lookup(frame, &fib, sizeof(fib), 0);
	if (answer == FIB_FORWARDING_OFF)
		return UP_LOOKUPS_OFF;
	if (answer == FIB_NO_NEIGHBOUR)
		return UP_NO_NEIGHBOUR;
	if (answer)
		return UP_NO_ROUTE;
	device = map_lookup(&devices, &fib.ifindex);
	if (!device)
		return UP_OTHER_DEVICE;
	row->ifindex = device->ifindex;
	row->tag = device->tag;
	row->mtu = fib.mtu;
	__builtin_memcpy(row->to_mac, fib.to, 6);
	__builtin_memcpy(row->from_mac, fib.from, 6);
	row->hop_until = hop_time(now + hop_age);
	/* Whatever has become of the row in the meantime, another flow does not take this for its own. */
	row->hop_generation = generation;
	note_neighbour(&fib, now);
	return GOES_ON;
}

/* Whether a flow has had as many packets in this window as it may. The clock that ticks stands still
 * for many windows where a host gets no time, so the exact one is asked before anything is dropped;
 * what it says can be ahead of the other.
 */
INLINE int is_flooded(struct row *row, u64 now)
{
	u32 window = now >> WINDOW_SHIFT, ahead = row->window - window;

	if (ahead < MAX_AHEAD) {
		if (++row->taken <= packets_per_window)
			return 0;
		window = exact_ns() >> WINDOW_SHIFT;
		if (window == row->window)
			return 1;
	}
	row->window = window;
	row->taken = 1;
	return 0;
}

/* Interarrival jitter times 16 (RFC 3550 appendix A.8), of one packet in some. */
INLINE void hear_jitter(struct reception *r, u32 ticks, u32 timestamp)
{
	u64 now = exact_ns();
	u32 d = (u32)((now - r->arrival) * ticks >> 32) - (timestamp - r->timestamp);

	if (r->arrival) {
		if (d >> 31)
			d = -d;
		/* A clock that was set anew counts as some minutes, so that the sum stays small. */
		d = d < MAX_TRANSIT ? d : MAX_TRANSIT;
		r->jitter += d - ((r->jitter + 8) >> 4);
	}
	r->timestamp = timestamp;
	r->arrival = now;
}

/* Gaps in the sequence (RFC 3550 appendix A.1), and jitter. */
INLINE void hear_rtp(struct reception *r, u32 ticks, const u8 *rtp)
{
	u16 sequence = BE16(AT(u16, rtp + 2));
	u32 ssrc = AT(u32, rtp + 8);
	int ahead = (short)(sequence - r->next);

	if (!r->heard || ssrc != r->ssrc || ahead > MAX_DROPOUT || ahead < -MAX_MISORDER) {
		r->heard = 1;
		r->ssrc = ssrc;
		r->next = sequence + 1;
		r->jitter = 0;
		r->arrival = 0;
	} else if (ahead < 0) {
		r->late++;
	} else {
		r->missing += ahead;
		r->next = sequence + 1;
	}
	if (ticks && !(sequence & jitter_mask))
		hear_jitter(r, ticks, BE32(AT(u32, rtp + 4)));
}

INLINE void count(struct row *row, const u8 *body, const u8 *end, u32 len, u64 now)
{
	row->packets++;
	row->bytes += len;
	row->last = now;
	if (!(row->flags & FLAG_HEAR) || len < RTP_HEAD || body + RTP_HEAD > end || body[0] >> 6 != 2)
		return;
	/* RTCP on a shared port (RFC 5761 section 4). */
	if (body[1] >= 192 && body[1] <= 223)
		return;
	hear_rtp(&row->heard, row->ticks, body);
}

/* Sum of a datagram for a checksum that it came without; of SUM_WORDS * 8 + 7 bytes at most. */
INLINE u64 sum_of(const u8 *at, const u8 *end)
{
	u64 sum = 0;

	for (u32 i = 0; i < SUM_WORDS; i++) {
		if (at + 8 > end)
			break;
		sum += (u64)AT(u32, at) + AT(u32, at + 4);
		at += 8;
	}
	for (u32 i = 0; i < 7; i++) {
		if (at + 1 > end)
			break;
		sum += i & 1 ? (u64)*at << 8 : *at;
		at++;
	}
	return sum;
}

INLINE void write_v4(u8 *ip, const struct leaving *way, u32 udp_len, u8 tos)
{
	u32 first = 0x45 | (u32)tos << 8 | (u32)BE16(V4_HEAD + udp_len) << 16;
	/* "Do not fragment" needs no identification (RFC 6864). */
	u32 second = BE16(0x4000) << 16;
	u32 third = HOPS | IS_UDP << 8;

	AT(u32, ip) = first;
	AT(u32, ip + 4) = second;
	AT(u32, ip + 8) = third | (u32)(u16)~folded((u64)first + second + third + way->ip_sum) << 16;
	AT(u32, ip + 12) = way->from[1] >> 32;
	AT(u32, ip + 16) = way->to[1] >> 32;
}

INLINE void write_v6(u8 *ip, const struct leaving *way, u32 udp_len, u8 tos)
{
	AT(u32, ip) = BE32(0x60000000 | (u32)tos << 20);
	AT(u32, ip + 4) = (u32)BE16(udp_len) | IS_UDP << 16 | HOPS << 24;
	AT(u64, ip + 8) = way->from[0];
	AT(u64, ip + 16) = way->from[1];
	AT(u64, ip + 24) = way->to[0];
	AT(u64, ip + 32) = way->to[1];
}

/* The Ethernet header, tagged if the way out is. Returns its length. */
INLINE u32 write_ethernet(u8 *frame, const struct leaving *way, u16 type)
{
	AT(u64, frame) = way->macs;
	AT(u32, frame + 8) = way->more_of_macs;
	if (!way->tag) {
		AT(u16, frame + 12) = type;
		return ETHERNET;
	}
	AT(u32, frame + 12) = BE16(0x8100) | (u32)BE16(way->tag) << 16;
	AT(u16, frame + 16) = type;
	return ETHERNET + TAG;
}

/* Whether a checksum is there as a sender leaves it to its device to complete, which a packet from
 * the same host still has: the sum of the pseudo-header alone.
 */
INLINE int is_partial(const struct seen *p, u32 check)
{
	u64 sum = (u64)BE16(IS_UDP) + BE16(p->udp_len);

	if (p->family == V4)
		sum += (p->source[1] >> 32) + (p->local[1] >> 32);
	else
#pragma unroll
		for (u32 i = 0; i < 2; i++)
			sum += (p->source[i] & 0xffffffff) + (p->source[i] >> 32) +
			       (p->local[i] & 0xffffffff) + (p->local[i] >> 32);
	return folded(sum) == check;
}

/* What becomes of the UDP checksum: it goes with the addresses and ports that change, or stays away;
 * or it is made; or it is left to a device to complete, as it was, which in the kernel's receive
 * path is known of the packet and still true. IPv6 does without only in tunnels (RFC 8200 section
 * 8.1).
 */
INLINE int sum_for(const struct seen *p, const u8 *udp, int to_v6)
{
	u32 check = AT(u16, udp + 6);

	if (!check)
		return to_v6 ? MAKES_SUM : KEEPS_SUM;
	if (!is_partial(p, check))
		return KEEPS_SUM;
	return p->is_generic ? LEAVES_SUM : MAKES_SUM;
}

/* Sum of the pseudo-header that a packet leaves with. What marks an IPv4 address as mapped comes to 0
 * in it.
 */
INLINE u64 pseudo(const struct leaving *way, u32 udp_len)
{
	u64 sum = BE16(IS_UDP) + BE16(udp_len);

#pragma unroll
	for (u32 i = 0; i < 2; i++)
		sum += (way->from[i] & 0xffffffff) + (way->from[i] >> 32) +
		       (way->to[i] & 0xffffffff) + (way->to[i] >> 32);
	return sum;
}

/* Ports and checksum. */
INLINE void write_udp(u8 *udp, const u8 *end, const struct leaving *way, u32 udp_len)
{
	u32 check = AT(u16, udp + 6);

	AT(u32, udp) = way->from_port | (u32)way->to_port << 16;
	if (way->sum == LEAVES_SUM) {
		AT(u16, udp + 6) = folded(pseudo(way, udp_len));
		return;
	}
	if (way->sum == MAKES_SUM) {
		AT(u16, udp + 6) = 0;
		check = (u16)~folded(sum_of(udp, end) + pseudo(way, udp_len));
	} else if (check) {
		check = (u16)~folded((u16)~check + (u64)way->udp_sum);
	} else {
		return;
	}
	AT(u16, udp + 6) = check ? check : 0xffff;
}

/* Makes room for the headers that the packet leaves with, and writes them. */
INLINE int rewrite(struct xdp_md *frame, const struct leaving *way, const struct seen *p)
{
	int to_v6 = way->flags & FLAG_TO_V6;
	u8 tos = way->flags & FLAG_SET_DSCP ? way->dscp | (p->tos & 3) : p->tos;
	u32 head = ETHERNET + (way->tag ? TAG : 0) + (to_v6 ? V6_HEAD : V4_HEAD);
	u8 *d, *end;

	/* Padding must not carry to one network what was in another's. */
	if (p->excess && adjust_tail(frame, -(int)p->excess))
		return UP_NO_ROOM;
	if (head != p->head && adjust_head(frame, (int)p->head - (int)head))
		return UP_NO_ROOM;
	d = (u8 *)(u64)frame->data;
	end = (u8 *)(u64)frame->data_end;
	if (d + ETHERNET + V4_HEAD + UDP_HEAD > end)
		return UP_NO_ROOM;
	d += write_ethernet(d, way, to_v6 ? BE16(0x86dd) : BE16(0x0800));
	if (d + (to_v6 ? V6_HEAD : V4_HEAD) + UDP_HEAD > end)
		return UP_NO_ROOM;
	if (to_v6) {
		write_v6(d, way, p->udp_len, tos);
		write_udp(d + V6_HEAD, end, way, p->udp_len);
	} else {
		write_v4(d, way, p->udp_len, tos);
		write_udp(d + V4_HEAD, end, way, p->udp_len);
	}
	return GOES_ON;
}

/* Whether everything is there that the packet needs to be sent on. */
INLINE int prepare(struct xdp_md *frame, struct row *row, u32 generation, const struct seen *p, const u8 *d,
		   const u8 *udp, const u8 *end, struct leaving *way)
{
	u64 now = p->now;
	int fate, to_v6 = row->flags & FLAG_TO_V6;

	if (udp + UDP_HEAD > end)
		return UP_MALFORMED;
	if (row->flags & FLAG_PLAIN) {
		fate = foreign(udp + UDP_HEAD, end, p->udp_len - UDP_HEAD);
		if (fate != GOES_ON)
			return fate;
	}
	if (p->family == V4 && is_damaged(d + bounded(p->head - V4_HEAD), end))
		return UP_CHECKSUM;
	if (!AT(u16, udp + 6) && p->family == V6)
		return UP_CHECKSUM;
	way->sum = sum_for(p, udp, to_v6);
	if (way->sum == MAKES_SUM && p->udp_len > SUM_WORDS * 8)
		return UP_CHECKSUM;
	if (row->hop_generation != generation || (int)(row->hop_until - hop_time(now)) <= 0) {
		fate = find_hop(frame, row, generation, row->flags & FLAG_SET_DSCP ? row->dscp : p->tos, now);
		if (fate != GOES_ON)
			return fate;
	}
	return p->udp_len + (to_v6 ? V6_HEAD : V4_HEAD) > row->mtu ? UP_TOO_BIG : GOES_ON;
}

INLINE void take_way(struct leaving *way, const struct row *row)
{
	__builtin_memcpy(way->from, row->from, 16);
	__builtin_memcpy(way->to, row->to, 16);
	way->from_port = row->from_port;
	way->to_port = row->to_port;
	way->flags = row->flags;
	way->dscp = row->dscp;
	way->udp_sum = row->udp_sum;
	way->ip_sum = row->ip_sum;
	way->tag = row->tag;
	way->ifindex = row->ifindex;
	/* To and from: they follow each other as in a frame. */
	way->macs = AT(u64, row->to_mac);
	way->more_of_macs = AT(u32, row->to_mac + 8);
}

/* The row of a port of ours, if the address is. */
INLINE struct row *row_of(const struct seen *p, const struct places *known, u32 port)
{
	u32 ports = last_port - first_port + 1, index;

#pragma unroll
	for (u32 i = 0; i < ADDRESSES; i++) {
		if (i >= known->addresses)
			return 0;
		if (known->address[i][1] == p->local[1] && known->address[i][0] == p->local[0]) {
			index = i * ports + (port - first_port);
			return map_lookup(&rows, &index);
		}
	}
	return 0;
}

/* A packet for a port of ours. `leaves_by` is the device, if it is sent on. */
INLINE int handle(struct xdp_md *frame, struct row *row, struct seen *p, const u8 *d, const u8 *end, u32 *leaves_by)
{
	struct leaving way;
	u32 is_source, generation = ONCE(row->generation);
	const u8 *udp;
	int fate;

	if (generation == NOTHING)
		return admit(p);
	if (generation == IN_CHANGE)
		return UP_CHANGED;
	/* The row may be changed while it is looked at; then its generation is the first thing that is
	 * written.
	 */
	is_source = p->source[1] == row->source[1] && p->source[0] == row->source[0] &&
		    p->source_port == row->source_port;
	if (row->flags & FLAG_UP)
		return is_source ? UP_HANDS : admit(p);
	if (!is_source) {
		AFTER_ALL_READS();
		if (ONCE(row->generation) != generation)
			return UP_CHANGED;
		/* These come to any core. */
		__sync_fetch_and_add(&row->strangers, 1);
		return DROP_STRANGER;
	}
	udp = d + bounded(p->head);
	if (UNLIKELY(is_flooded(row, p->now)))
		return DROP_FLOOD;
	fate = prepare(frame, row, generation, p, d, udp, end, &way);
	if (fate != GOES_ON)
		return fate;
	take_way(&way, row);
	AFTER_ALL_READS();
	if (ONCE(row->generation) != generation)
		return UP_CHANGED;
	count(row, udp + UDP_HEAD, end, p->udp_len - UDP_HEAD, p->now);
	fate = rewrite(frame, &way, p);
	if (fate != GOES_ON)
		return fate;
	*leaves_by = way.ifindex;
	return SENT_ON;
}

/* What becomes of a UDP packet for one of the media ports. */
INLINE int judge(struct xdp_md *frame, struct seen *p, const u8 *d, const u8 *end, u32 port, u32 *leaves_by)
{
	u32 zero = 0;
	struct places *known = map_lookup(&places, &zero);
	struct row *row;
	int fate;

	if (!known)
		return NOT_OURS;
	row = row_of(p, known, port);
	if (!row)
		return NOT_OURS;
	p->now = ticking_ns();
	p->is_generic = known->is_generic;
	if (UNLIKELY(p->now > ONCE(known->gone_after)))
		return NOT_OURS;
	fate = handle(frame, row, p, d, end, leaves_by);
	return fate >= UP_UNKNOWN && p->now > ONCE(known->away_after) ? DROP_AWAY : fate;
}

SECTION("xdp") int readdress(struct xdp_md *frame)
{
	const u8 *d = (u8 *)(u64)frame->data, *end = (u8 *)(u64)frame->data_end;
	u32 zero = 0, leaves_by = 0;
	struct seen p = {};
	struct fates *counters;
	int fate = read_frame(d, end, &p);

	if (fate == GOES_ON) {
		u16 port = BE16(p.port);

		if (port < first_port || port > last_port)
			return XDP_PASS;
		fate = judge(frame, &p, d, end, port, &leaves_by);
	}
	if (fate >= FATES)
		return XDP_PASS;
	counters = map_lookup(&fates, &zero);
	if (counters)
		counters->count[fate]++;
	if (fate == SENT_ON) {
		if (counters)
			counters->bytes += p.udp_len - UDP_HEAD;
		return leaves_by == frame->ingress ? XDP_TX : (int)redirect(leaves_by, 0);
	}
	return fate < UP_UNKNOWN ? XDP_DROP : XDP_PASS;
}

char terms[] SECTION("license") = "GPL";
/* Which source this is, and what compiled it; see scripts/build-bpf. */
char origin[] SECTION("made_of") = SOURCE " clang " __clang_version__;
