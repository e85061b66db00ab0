/* Steering: the media ports without a socket for each.
 *
 * The kernel asks `steer` whose socket a datagram is for that no connected socket takes. For a
 * port that the engine has open it names the one socket of the packet thread that the port
 * belongs to. What a stranger sends to a port whose source is learned goes on as if this program
 * were not there, and finds nobody. A flood at one port ends in a socket that nobody reads, so
 * that it does not fill the thread's.
 * Compiled by scripts/build-bpf; needs no headers. The maps' values are laid out in
 * relay/route/src/steering.rs as here.
 */

typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SECTION(name) __attribute__((section(name), used))
#define INLINE static inline __attribute__((always_inline))

/* The kernel's interface: helpers by number, and what it hands to an sk_lookup program. */
static void *(*const map_lookup)(void *map, const void *key) = (void *)1;
static u64 (*const time_ns)(void) = (void *)5;
static long (*const release)(void *socket) = (void *)86;
static long (*const assign)(void *lookup, void *socket, u64 flags) = (void *)124;
struct lookup {
	u64 socket;
	u32 family, protocol;
	u32 remote_ip4, remote_ip6[4];
	u16 remote_port, zero;	/* network byte order */
	u32 local_ip4, local_ip6[4];
	u32 local_port;		/* host byte order */
	u32 ingress;
};
enum { SK_DROP, SK_PASS };
enum { AF_INET = 2, UDP = 17, NO_REUSEPORT = 2 };
enum { MAP_ARRAY = 2, MAP_SOCKETS = 15, MMAPABLE = 1 << 10 };
struct map { u32 type, key_size, value_size, max_entries, flags; };

/* Local addresses whose ports are steered; relay/route's MAX_STEERED_IPS. */
#define ADDRESSES 8
/* Packet threads; relay/route's MAX_THREADS. */
#define THREADS 64
/* Datagrams of one port in a window of 2^23 ns: once its source is learned, and before. */
#define MOST_LEARNED 512
#define MOST_OPEN 64
#define WINDOW_SHIFT 23

/* One media port of one address: the first half is the engine's to write, the second ours. */
struct port {
	u32 thread;		/* 0: not open; else the packet thread's number and 1 */
	u32 slot;		/* the engine's own */
	u32 locked;		/* whether only the source may send */
	u32 source_port;	/* network byte order */
	u32 source[4];		/* network byte order, IPv4 mapped into IPv6 */
	u64 window;
	u32 taken;
	u32 strangers;		/* datagrams from elsewhere since the source is locked */
	u32 spare[4];
};
_Static_assert(sizeof(struct port) == 64, "a cache line");

struct settings {
	u32 first_port, ports, addresses, spare;
	u32 address[ADDRESSES][4];
};

struct map SECTION("maps") settings = { MAP_ARRAY, 4, sizeof(struct settings), 1, 0 };
/* By address and port; its size is set when it is loaded. */
struct map SECTION("maps") ports = { MAP_ARRAY, 4, sizeof(struct port), 1, MMAPABLE };
/* Of each thread the sockets for IPv4 and IPv6; the last two are read by nobody. */
struct map SECTION("maps") doors = { MAP_SOCKETS, 4, 4, 2 * THREADS + 2, 0 };
struct counts {
	u64 floods;		/* windows in which a port took in too much */
	u64 strangers;
};
/* By thread. */
struct map SECTION("maps") counts = { MAP_ARRAY, 4, sizeof(struct counts), THREADS, 0 };

/* The same as numbers, for the test that compares them with steering.rs. */
#define OFFSET(type, field) __builtin_offsetof(struct type, field)
const u32 layout[] SECTION("layout_of") = {
	sizeof(struct port), OFFSET(port, thread), OFFSET(port, slot), OFFSET(port, locked),
	OFFSET(port, source_port), OFFSET(port, source), OFFSET(port, window), OFFSET(port, taken),
	OFFSET(port, strangers),
	sizeof(struct settings), OFFSET(settings, address), sizeof(struct counts),
	ADDRESSES, THREADS, MOST_LEARNED, MOST_OPEN, WINDOW_SHIFT,
};

struct address { u32 word[4]; };

/* A word of the lookup. The kernel allows reading it at a constant offset only, and the compiler
 * would like to choose between two offsets first.
 */
#define FIELD(l, name) ({ \
	u64 word_; \
	asm volatile("%0 = *(u32 *)(%1 + %2)" : "=r"(word_) \
		: "r"(l), "i"(__builtin_offsetof(struct lookup, name))); \
	(u32)word_; })

INLINE struct address local_of(struct lookup *l)
{
	struct address a = { { 0, 0, __builtin_bswap32(0xffff), 0 } };

	if (l->family == AF_INET) {
		a.word[3] = FIELD(l, local_ip4);
		return a;
	}
	a.word[0] = FIELD(l, local_ip6[0]);
	a.word[1] = FIELD(l, local_ip6[1]);
	a.word[2] = FIELD(l, local_ip6[2]);
	a.word[3] = FIELD(l, local_ip6[3]);
	return a;
}

INLINE struct address remote_of(struct lookup *l)
{
	struct address a = { { 0, 0, __builtin_bswap32(0xffff), 0 } };

	if (l->family == AF_INET) {
		a.word[3] = FIELD(l, remote_ip4);
		return a;
	}
	a.word[0] = FIELD(l, remote_ip6[0]);
	a.word[1] = FIELD(l, remote_ip6[1]);
	a.word[2] = FIELD(l, remote_ip6[2]);
	a.word[3] = FIELD(l, remote_ip6[3]);
	return a;
}

INLINE int same(const u32 *a, const u32 *b)
{
	return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

/* The port that a datagram is sent to, if it can be one of ours. */
INLINE struct port *port_of(struct lookup *l)
{
	u32 zero = 0, index, at = l->local_port;
	struct settings *s = map_lookup(&settings, &zero);
	struct address local = local_of(l);

	if (!s || at < s->first_port || at - s->first_port >= s->ports)
		return 0;
#pragma unroll
	for (u32 i = 0; i < ADDRESSES; i++) {
		if (i >= s->addresses)
			return 0;
		if (same(s->address[i], local.word)) {
			index = i * s->ports + (at - s->first_port);
			return map_lookup(&ports, &index);
		}
	}
	return 0;
}

/* Whether it may come from there: before a source is learned that is the engine's to say. */
INLINE int is_welcome(struct lookup *l, struct port *p, struct counts *c)
{
	struct address remote = remote_of(l);

	if (!p->locked || (p->source_port == l->remote_port && same(p->source, remote.word)))
		return 1;
	__sync_fetch_and_add(&p->strangers, 1);
	__sync_fetch_and_add(&c->strangers, 1);
	return 0;
}

/* Whether the port has taken in too much in this window. */
INLINE int is_flooded(struct port *p, struct counts *c)
{
	u64 window = time_ns() >> WINDOW_SHIFT;
	u32 most = p->locked ? MOST_LEARNED : MOST_OPEN;

	if (p->window != window) {
		p->window = window;
		p->taken = 0;
	}
	p->taken++;
	if (p->taken == most + 1)
		__sync_fetch_and_add(&c->floods, 1);
	return p->taken > most;
}

SECTION("sk_lookup") int steer(struct lookup *l)
{
	struct port *p;
	struct counts *c;
	void *socket;
	u32 thread, door;

	if (l->protocol != UDP)
		return SK_PASS;
	p = port_of(l);
	if (!p)
		return SK_PASS;
	thread = p->thread - 1;
	c = map_lookup(&counts, &thread);
	if (!c || !is_welcome(l, p, c))
		return SK_PASS;
	door = 2 * (is_flooded(p, c) ? THREADS : thread) + (l->family != AF_INET);
	socket = map_lookup(&doors, &door);
	if (!socket)
		return SK_PASS;
	assign(l, socket, NO_REUSEPORT);
	release(socket);
	return SK_PASS;
}

char terms[] SECTION("license") = "GPL";
/* Which source this is, and what compiled it; see scripts/build-bpf. */
char origin[] SECTION("made_of") = SOURCE " clang " __clang_version__;
