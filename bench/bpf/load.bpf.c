/* Generator and sink of the packet benchmark, as XDP programs.
 *
 * `generate` is run by BPF_PROG_RUN with live frames: each run of it may turn its frame into the
 * next packet that is due and send it by a device. `sink` stands on the device that the relay's
 * packets come back by; it checks every one and lets nothing but other traffic pass.
 * Compiled by scripts/build-bpf; needs no headers. Words of the maps' values are laid out in
 * bench/src/packets/live/words.rs as here.
 */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SECTION(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))
#define UNLIKELY(what) __builtin_expect(!!(what), 0)

/* The kernel's interface: helpers by number, and what it hands to an XDP program. */
static void *(*const map_lookup)(void *map, const void *key) = (void *)1;
static u64 (*const time_ns)(void) = (void *)5;
static u32 (*const this_core)(void) = (void *)8;
static long (*const redirect)(u32 ifindex, u64 flags) = (void *)23;
struct xdp_md { u32 data, data_end, data_meta, ingress, queue, egress; };
static long (*const adjust_tail)(struct xdp_md *frame, int by) = (void *)65;
enum { XDP_ABORTED, XDP_DROP, XDP_PASS };
struct map { u32 type, key_size, value_size, max_entries, flags; };
#define ARRAY(name, value, entries) \
	struct map SECTION("maps") name = { 2, 4, sizeof(value), entries, 0 }

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the frames are laid out for little-endian machines"
#endif
#define BE16(x) __builtin_bswap16(x)
#define BE32(x) __builtin_bswap32(x)
#define AT(type, place) (*(type *)(place))

enum { V4 = 4, V6 = 6 };
enum { AUDIO, VIDEO, RTCP };
enum {
	ETH = 14, UDP = 8,
	V4_PAYLOAD = ETH + 20 + UDP,
	V6_PAYLOAD = ETH + 40 + UDP,
	RTP_HEAD = 12,
	/* Sender report 28, SDES 16, head of the APP packet that carries the stamp 12. */
	RTCP_HEAD = 56,
	STAMP = 24,
	/* Of the longest payload, 1460 bytes, after the stamp. */
	MAX_WORDS = 180,
	SR = 200, SDES = 202, APP = 204,
};

/* Start of the stamp; the number of the run is in its lower half. */
#define MAGIC 0xB0A70000u
/* Odd numbers with well mixed bits, for the pattern. */
#define MIX_FLOW 0x9E3779B97F4A7C15ull
#define MIX_PLACE 0xC2B2AE3D27D4EB4Full
#define MIX_SENT 0xD6E8FEB86659FD93ull
#define MIX_NEXT 0xA0761D6478BD642Full

/* A stream's packets as the generator sends them. Addresses and ports as on the wire. */
struct way {
	u32 from[4], to[4];
	u32 ports;
	u16 ip_check; /* of the IPv4 header */
	u16 payload;  /* bytes after the UDP header */
	u32 sum;      /* IPv6: pseudo header and UDP header, not folded */
	u16 kind, family;
	u32 step;     /* media clock of one packet */
	u32 flow;     /* its number, also at the sink */
	u64 place;    /* of the next packet, from 0 */
};
ARRAY(ways, struct way, 1);

/* Orders to the generator on a core, and how far it is. Times in ns, `due` and `interval` in 1/1024 ns. */
struct control {
	u64 ethernet[2]; /* both addresses */
	u64 ifindex;
	u64 run;
	u64 first, streams, reports; /* ways of RTP from the first on, and those of RTCP after them */
	u64 every;            /* packets of RTP for each of RTCP */
	u64 interval, burst;
	u64 duration;
	u64 limit;            /* packets */
	u64 forgiven;         /* lateness that is not made up for */
	u64 start, ended, due, not_before, left, sent;
	u64 stream, report, since_report;
	u64 failed;
	u64 look;             /* frames from one decision to the next; the kernel's batch is a multiple */
	u64 frame;            /* of them, the next one's number */
	u64 now;              /* the clock as it was last read */
	u64 since_guest, guest, guests; /* packets since the last of a guest, its turn, and all of them */
};
ARRAY(control, struct control, 1);

/* The ways of calls that come and go: which are alive, and packets for each one of them. Written while
 * packets are sent, and read by the first of the generator's cores.
 */
struct window { u64 first, count, every; };
ARRAY(window, struct window, 1);

/* Packets for each reading of the generator's clock; a power of two. A reading is a tenth of what a
 * packet costs, and so many take less than 2 us.
 */
#define CLOCK_EVERY 8

/* What the sink expects of a way. */
struct expected {
	u32 out[4], at[4];
	u16 out_port, at_port;
	u16 payload;
	u8 kind, family;
	u32 step;
	u32 seen; /* the last run in which a packet arrived */
	u64 next; /* place that the next packet has at least */
	u64 guest; /* it comes and goes, and is counted by itself */
};
ARRAY(expects, struct expected, 1);

/* By queue of the device, so that no two cores write one. */
struct found {
	u64 ways, run;           /* orders: how many there are, and which run it is */
	u64 first_port, last_port; /* of the phones */
	u64 delivered, open;
	u64 source, content, order;
	u64 stale;               /* of an earlier run */
	u64 foreign;             /* the relay's own reports */
	u64 every, since;        /* packets for each one whose latency is taken, and since the last */
	u64 guests, guests_late; /* packets of calls that come and go, and those that were overtaken */
};
ARRAY(found, struct found, 1);

/* Latencies in ns: exact below 128, then 128 buckets for each doubling. */
enum { SUB = 7, BUCKETS = 4096 };
#define MAX_LATENCY ((1ull << 36) - 1)
struct latency { u64 count[BUCKETS]; };
ARRAY(latency, struct latency, 1);

INLINE u64 add(u64 sum, u64 word)
{
	return sum + (u32)word + (word >> 32);
}

INLINE u16 fold(u64 sum)
{
	sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + ((sum >> 32) & 0xffff) + (sum >> 48);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

INLINE u64 seed(u32 flow, u64 place, u64 sent)
{
	return (flow + 1) * MIX_FLOW ^ place * MIX_PLACE ^ sent * MIX_SENT;
}

/* Writes the stamp and the pattern to the frame's end; returns their sum for the checksum. */
INLINE u64 fill(u8 *at, u8 *end, u32 flow, u32 magic, u64 place, u64 now, int summed)
{
	u64 sum = 0, word = seed(flow, place, now);

	if (at + STAMP > end)
		return 0;
	AT(u32, at) = BE32(magic);
	AT(u32, at + 4) = BE32(flow);
	AT(u64, at + 8) = place;
	AT(u64, at + 16) = now;
	if (summed)
		sum = add(add((u64)BE32(magic) + BE32(flow), place), now);
	at += STAMP;
	for (u32 i = 0; i < MAX_WORDS; i++) {
		if (at + 8 > end)
			break;
		AT(u64, at) = word;
		if (summed)
			sum = add(sum, word);
		at += 8;
		word += MIX_NEXT;
	}
	for (u32 i = 0; i < 7; i++) {
		if (at + 1 > end)
			break;
		*at = word >> 56;
		if (summed)
			sum += (i & 1) ? (u64)*at << 8 : *at;
		at++;
		word <<= 8;
	}
	return sum;
}

/* The heads of RTP (RFC 3550 section 5.1), or of a sender report with its SDES and APP packets
 * (sections 6.4.1, 6.5 and 6.7). Returns its sum.
 */
INLINE u64 head_of_rtp(u8 *at, const struct way *way, u64 place)
{
	u32 first = BE32(0x80000000 | (way->kind == VIDEO ? 96 << 16 : 0) | (place & 0xffff));
	u32 time = BE32((u32)place * way->step);

	AT(u32, at) = first;
	AT(u32, at + 4) = time;
	AT(u32, at + 8) = BE32(way->flow);
	return (u64)first + time + BE32(way->flow);
}

INLINE u64 head_of_rtcp(u8 *at, const struct way *way, u64 place, u64 every, u64 now)
{
	u64 seconds = now / 1000000000, sum = 0;
	u32 flow = way->flow, packets = (u32)(place * every);
	u32 words[RTCP_HEAD / 4] = {
		BE32(0x80000000 | SR << 16 | 6), BE32(flow),
		BE32((u32)seconds), BE32((u32)((now - seconds * 1000000000) * 4294 / 1000)),
		BE32(packets * way->step), BE32(packets), BE32(packets * 160),
		BE32(0x81000000 | SDES << 16 | 3), BE32(flow),
		/* CNAME, 5 characters: bench; and the end of the list. */
		BE32(0x01056265), BE32(0x6e636800),
		BE32(0x80000000 | APP << 16 | 10), BE32(flow), BE32(0x6c6f6164),
	};

#pragma unroll
	for (u32 i = 0; i < RTCP_HEAD / 4; i++) {
		AT(u32, at + 4 * i) = words[i];
		sum += words[i];
	}
	return sum;
}

INLINE void head_of_v4(u8 *d, const struct way *way)
{
	AT(u16, d + 12) = BE16(0x0800);
	AT(u32, d + 14) = BE32(0x45000000 | (20 + UDP + way->payload));
	/* No identification is needed with "do not fragment" (RFC 6864). */
	AT(u32, d + 18) = BE32(0x00004000);
	AT(u32, d + 22) = BE32(64 << 24 | 17 << 16) | (u32)way->ip_check << 16;
	AT(u32, d + 26) = way->from[0];
	AT(u32, d + 30) = way->to[0];
	AT(u32, d + 34) = way->ports;
	/* No UDP checksum: the relay has nothing to verify, as behind a NIC that has done so. */
	AT(u32, d + 38) = BE32((u32)(UDP + way->payload) << 16);
}

INLINE void head_of_v6(u8 *d, const struct way *way)
{
	AT(u16, d + 12) = BE16(0x86dd);
	AT(u32, d + 14) = BE32(0x60000000);
	AT(u32, d + 18) = BE32((u32)(UDP + way->payload) << 16 | 17 << 8 | 64);
#pragma unroll
	for (u32 i = 0; i < 4; i++) {
		AT(u32, d + 22 + 4 * i) = way->from[i];
		AT(u32, d + 38 + 4 * i) = way->to[i];
	}
	AT(u32, d + 54) = way->ports;
	AT(u32, d + 58) = BE32((u32)(UDP + way->payload) << 16);
}

/* What follows the UDP header. Returns its sum, or 1 << 63 if the frame is too short. */
INLINE u64 body(u8 *at, u8 *end, const struct way *way, const struct control *c, u64 now,
		int summed)
{
	u64 sum, place = way->place;

	if (way->kind == RTCP) {
		if (at + RTCP_HEAD > end)
			return 1ull << 63;
		sum = head_of_rtcp(at, way, place, c->every, now);
		at += RTCP_HEAD;
	} else {
		if (at + RTP_HEAD > end)
			return 1ull << 63;
		sum = head_of_rtp(at, way, place);
		at += RTP_HEAD;
	}
	return sum + fill(at, end, way->flow, MAGIC | (u32)c->run, place, now, summed);
}

/* Makes the frame the way's next packet. */
INLINE int packet(struct xdp_md *frame, const struct control *c, struct way *way, u64 now)
{
	u32 heads = way->family == V6 ? V6_PAYLOAD : V4_PAYLOAD;
	int longer = (int)(heads + way->payload) - (int)(frame->data_end - frame->data);
	u8 *d, *end;
	u64 sum;

	if (longer && adjust_tail(frame, longer))
		return 0;
	d = (u8 *)(u64)frame->data;
	end = (u8 *)(u64)frame->data_end;
	if (d + V4_PAYLOAD > end)
		return 0;
	AT(u64, d) = c->ethernet[0];
	AT(u32, d + 8) = (u32)c->ethernet[1];
	if (way->family == V6) {
		if (d + V6_PAYLOAD > end)
			return 0;
		head_of_v6(d, way);
		sum = body(d + V6_PAYLOAD, end, way, c, now, 1);
		if (sum >> 63)
			return 0;
		AT(u16, d + 60) = fold(sum + way->sum) ?: 0xffff;
	} else {
		head_of_v4(d, way);
		if (body(d + V4_PAYLOAD, end, way, c, now, 0) >> 63)
			return 0;
	}
	way->place++;
	return 1;
}

/* Begins the next burst if it is due. */
INLINE void begin(struct control *c)
{
	u64 since, at, now = time_ns();

	c->now = now;
	if (c->left || c->ended)
		return;
	if (!c->start)
		c->start = now;
	since = now - c->start;
	if (since >= c->duration || c->sent >= c->limit) {
		c->ended = now;
		return;
	}
	at = c->due >> 10;
	/* Lateness is made up for at twice the rate, not in one rush. */
	if (since < at || now < c->not_before)
		return;
	if (since - at > c->forgiven)
		c->due = (since - c->forgiven) << 10;
	c->due += c->interval;
	c->not_before = now + (c->interval >> 11);
	c->left = c->burst;
}

/* The way whose turn it is, counted from the first. */
INLINE u32 turn(struct control *c)
{
	u32 number;

	if (c->reports && c->since_report >= c->every) {
		c->since_report = 0;
		number = c->streams + c->report;
		c->report = c->report + 1 < c->reports ? c->report + 1 : 0;
		return number;
	}
	c->since_report++;
	number = c->stream;
	c->stream = number + 1 < c->streams ? number + 1 : 0;
	return number;
}

/* The way of a call that comes and goes whose turn it is, or none: 0. */
INLINE u32 guest(struct control *c)
{
	u32 zero = 0;
	struct window *w = map_lookup(&window, &zero);

	/* The ways of standing calls come first. */
	if (!w || c->first || !w->count || ++c->since_guest < w->every)
		return 0;
	c->since_guest = 0;
	c->guest = c->guest + 1 < w->count ? c->guest + 1 : 0;
	return w->first + c->guest;
}

SECTION("xdp") int generate(struct xdp_md *frame)
{
	u32 core = this_core(), number, visitor;
	struct control *c = map_lookup(&control, &core);
	struct way *way;

	if (!c)
		return XDP_ABORTED;
	/* The packets of a batch leave when the whole of it was handled, so that a burst begins with
	 * one, and where none begins the frames pass quickly.
	 */
	if (!c->frame)
		begin(c);
	c->frame = c->frame + 1 < c->look ? c->frame + 1 : 0;
	if (!c->left)
		return XDP_DROP;
	c->left--;
	if (!(c->left % CLOCK_EVERY))
		c->now = time_ns();
	visitor = guest(c);
	number = visitor ?: c->first + turn(c);
	way = map_lookup(&ways, &number);
	if (!way || !packet(frame, c, way, c->now)) {
		c->failed++;
		return XDP_DROP;
	}
	if (visitor)
		c->guests++;
	else
		c->sent++;
	return redirect(c->ifindex, 0);
}

/* A packet as it came. */
struct seen {
	u8 *body, *end;
	const u32 *source, *target;
	u16 source_port, target_port;
	u16 udp_len;
	u8 family;
	u32 queue;
};

INLINE int same_ip(const u32 *one, const u32 *other, u8 family)
{
	if (one[0] != other[0])
		return 0;
	return family == V4 || (one[1] == other[1] && one[2] == other[2] && one[3] == other[3]);
}

/* Whether stamp and pattern are as they were sent. */
INLINE int whole(u8 *at, u8 *end, u64 word)
{
	at += STAMP;
	for (u32 i = 0; i < MAX_WORDS; i++) {
		if (at + 8 > end)
			break;
		if (AT(u64, at) != word)
			return 0;
		at += 8;
		word += MIX_NEXT;
	}
	for (u32 i = 0; i < 7; i++) {
		if (at + 1 > end)
			break;
		if (*at != (u8)(word >> 56))
			return 0;
		at++;
		word <<= 8;
	}
	return 1;
}

INLINE u32 bucket(u64 ns)
{
	u64 high = ns >> SUB;
	u32 shift = 0;

	if (ns > MAX_LATENCY)
		return BUCKETS - 1;
	if (!high)
		return ns;
#pragma unroll
	for (u32 step = 16; step; step >>= 1) {
		if (high >> step) {
			high >>= step;
			shift += step;
		}
	}
	return ((shift + 1) << SUB) + (u32)(ns >> shift) - (1 << SUB);
}

INLINE void arrived(struct found *f, u32 queue, struct expected *way, u64 sent)
{
	struct latency *all;
	u64 now;
	u32 slot;

	if (way->seen != (u32)f->run) {
		way->seen = f->run;
		f->open++;
	}
	f->delivered++;
	if (++f->since < f->every)
		return;
	f->since = 0;
	now = time_ns();
	slot = bucket(now > sent ? now - sent : 0);
	all = map_lookup(&latency, &queue);
	if (all && slot < BUCKETS)
		all->count[slot]++;
}

/* Checks a packet that is for a phone, and counts it. */
INLINE void check(struct found *f, struct seen *p)
{
	int rtcp;
	u8 *at = p->body;
	u32 magic, flow;
	u64 place, sent;
	struct expected *way;

	if (at + RTP_HEAD + STAMP > p->end)
		goto content;
	rtcp = at[1] >= SR && at[1] <= APP;
	if (rtcp) {
		at += RTCP_HEAD;
		if (at + STAMP > p->end) {
			f->foreign++;
			return;
		}
	} else {
		at += RTP_HEAD;
	}
	magic = BE32(AT(u32, at));
	flow = BE32(AT(u32, at + 4));
	place = AT(u64, at + 8);
	sent = AT(u64, at + 16);
	if (rtcp && (magic & 0xffff0000) != MAGIC) {
		f->foreign++;
		return;
	}
	if ((magic & 0xffff0000) != MAGIC || flow >= f->ways)
		goto content;
	if ((magic & 0xffff) != f->run) {
		f->stale++;
		return;
	}
	way = map_lookup(&expects, &flow);
	if (!way)
		goto content;
	if (p->family != way->family || p->source_port != way->out_port ||
	    !same_ip(p->source, way->out, p->family)) {
		f->source++;
		return;
	}
	if (p->target_port != way->at_port || !same_ip(p->target, way->at, p->family) ||
	    p->end - p->body != way->payload || p->udp_len != way->payload + UDP ||
	    rtcp != (way->kind == RTCP))
		goto content;
	if (!rtcp) {
		at = p->body;
		if (AT(u32, at) != BE32(0x80000000 | (way->kind == VIDEO ? 96 << 16 : 0) | (place & 0xffff)) ||
		    AT(u32, at + 4) != BE32((u32)place * way->step) || AT(u32, at + 8) != BE32(flow))
			goto content;
		at += RTP_HEAD;
	}
	if (!whole(at, p->end, seed(flow, place, sent)))
		goto content;
	if (way->guest) {
		f->guests++;
		if (place < way->next)
			f->guests_late++;
		else
			way->next = place + 1;
		return;
	}
	if (place < way->next) {
		f->order++;
		return;
	}
	way->next = place + 1;
	arrived(f, p->queue, way, sent);
	return;
content:
	f->content++;
}

SECTION("xdp") int sink(struct xdp_md *frame)
{
	u8 *d = (u8 *)(u64)frame->data, *end = (u8 *)(u64)frame->data_end;
	u32 queue = frame->queue, port;
	struct found *f = map_lookup(&found, &queue);
	struct seen p = { .end = end, .queue = queue };
	u8 *udp;

	if (!f || d + V4_PAYLOAD > end)
		return XDP_PASS;
	if (AT(u16, d + 12) == BE16(0x0800) && d[14] == 0x45 && d[23] == 17) {
		p.family = V4;
		p.source = (u32 *)(d + 26);
		p.target = (u32 *)(d + 30);
		udp = d + 34;
	} else if (AT(u16, d + 12) == BE16(0x86dd) && d[20] == 17 && d + V6_PAYLOAD <= end) {
		p.family = V6;
		p.source = (u32 *)(d + 22);
		p.target = (u32 *)(d + 38);
		udp = d + 54;
	} else {
		return XDP_PASS;
	}
	p.source_port = AT(u16, udp);
	p.target_port = AT(u16, udp + 2);
	p.udp_len = BE16(AT(u16, udp + 4));
	p.body = udp + UDP;
	port = BE16(p.target_port);
	if (port < f->first_port || port > f->last_port)
		return XDP_PASS;
	check(f, &p);
	return XDP_DROP;
}

char terms[] SECTION("license") = "GPL";
/* Which source this is, and what compiled it; see scripts/build-bpf. */
char origin[] SECTION("made_of") = SOURCE " clang " __clang_version__;
