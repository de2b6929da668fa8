/* Ownership: which node decides about a partition, while nodes come, go, die, hang and wake up.
 *
 * One partition and three nodes, of which the one with the highest number that serves is to own it, as
 * the weights of spread.hpp would say. A node's keeper looks around once in a tick: it announces the node, holds
 * the session lock and tells the engine what it saw. The engine takes, gives back and writes. A lease of LEASE
 * ticks ends with silence; a session ends with its process, or with its connection.
 *
 * FAULTS faults happen at any points: a process dies, hangs (and may wake up), loses its connection to the
 * database; the database starts anew. Between two ticks everybody who lives does what it has to do: that is the
 * only thing said about speed, and only settles needs it.
 *
 * Each NO_... leaves one part out; models_test.py asserts what is then wrong.
 */
#ifndef FAULTS
#define FAULTS 2
#endif
#define NODES 3
#define LEASE (FAULTS + 2)    /* looks that fail do not end it */
#define nobody 255

/* ---- the store ---- */
byte owner = nobody;          /* the partition's row */
byte epoch = 0;
bool is_announced[NODES];     /* the nodes' rows */
byte lease[NODES];            /* ticks left */
bool drains[NODES];
bool has_session[NODES];      /* holds its lock: the database sees its process */

/* ---- the nodes ---- */
typedef Node {
    bool is_running;
    bool is_hung;
    bool is_cut_off;          /* its connection was lost, and it does not know */
    bool leaves;              /* was told to end in order */
    bool has_looked;          /* in this tick */
    byte seen;                /* set of nodes whose session it saw */
    byte takes;               /* what it is to take over: the epoch it saw, and one */
    bool is_owner;            /* as far as it knows */
    byte epoch;               /* of its ownership */
    bool gives_back;
};
Node node[NODES];

byte faults = FAULTS;
bool is_harmed;               /* something was done to a process, not in order */

#define has(set, i) (((set) >> (i)) & 1)
#define works(n) (node[n].is_running && !node[n].is_hung)
#ifdef NO_FENCE
#define can_write(n) node[n].is_owner
#else
#define can_write(n) (node[n].is_owner && node[n].epoch == epoch)
#endif

#ifdef NO_SESSION
#define has_died(n, o) false
#else
#ifdef NO_SEEN
#define has_died(n, o) (!has_session[o])
#else
#define has_died(n, o) (has(node[n].seen, o) && !has_session[o])
#endif
#endif
#ifdef NO_LEASE
#define is_leased(o) true
#else
#define is_leased(o) (lease[o] > 0)
#endif

/* The nodes that live, as n sees it. */
#define is_alive(n, o) ((o) == (n) || (is_announced[o] && is_leased(o) && !has_died(n, o)))
#define serves(n, o) (is_announced[o] && is_alive(n, o) && !drains[o])
#define chosen(n) (serves(n, 2) -> 2 : (serves(n, 1) -> 1 : (serves(n, 0) -> 0 : nobody)))

inline drop(n) {
    node[n].is_owner = false;
    node[n].epoch = 0;
    node[n].gives_back = false
}

inline end(n) {
    drop(n);
    node[n].is_running = false; node[n].is_hung = false; node[n].is_cut_off = false; node[n].leaves = false;
    node[n].has_looked = false; node[n].seen = 0; node[n].takes = 0;
    has_session[n] = false
}

/* One look: announce, see, tell the engine. */
inline look(n) {
    node[n].has_looked = true;
    node[n].takes = 0;
    if
    :: node[n].is_cut_off -> /* it fails, and what the lost session saw is forgotten with it */
        node[n].is_cut_off = false;
        node[n].seen = 0
    :: else ->
        is_announced[n] = true;
        lease[n] = LEASE;
        has_session[n] = true;
        if
        :: node[n].leaves -> drains[n] = true
        :: else
        fi;
#ifndef NO_SIGHT
        /* Another node took over since, whoever the row names now. */
        if
        :: node[n].is_owner && epoch > node[n].epoch -> drop(n)
        :: else
        fi;
#endif
        if
        :: chosen(n) == n ->
            node[n].gives_back = false;
            if
            :: owner == nobody || owner == n -> node[n].takes = epoch + 1
            :: owner != nobody && owner != n ->
                if
                :: !is_alive(n, owner) -> node[n].takes = epoch + 1
                :: else ->
                    /* A node that died is succeeded by the next look of one who saw it live, whatever its lease. */
                    assert(node[owner].is_running || !has(node[n].seen, owner))
                fi
            fi
        :: chosen(n) != n && node[n].is_owner -> node[n].gives_back = true
        :: else
        fi;
        for (o : 0 .. NODES - 1) {
            if
            :: o != n && is_announced[o] && !is_alive(n, o) && !has_session[o] ->
                is_announced[o] = false; lease[o] = 0; drains[o] = false /* for everybody to see */
            :: else
            fi;
            if
            :: has_session[o] -> node[n].seen = node[n].seen | (1 << o)
            :: else
            fi
        }
        o = 0
    fi
}

/* The statement compares the epoch that was seen: of two who saw the same, one takes. */
#ifdef NO_COMPARE
#define is_as_seen(n) true
#else
#define is_as_seen(n) (node[n].takes == epoch + 1)
#endif

inline take(n) {
    if
    :: !node[n].is_owner && is_as_seen(n) ->
        /* Nobody is robbed who was never harmed. */
        assert(is_harmed || owner == nobody);
        epoch++;
        owner = n;
        node[n].is_owner = true;
        node[n].epoch = epoch
    :: else
    fi;
    node[n].takes = 0
}

proctype Keeper(byte n) {
    byte o;
    do
    :: d_step { works(n) && !node[n].has_looked -> look(n) }
    od
}

proctype Engine(byte n) {
    do
    :: d_step { works(n) && node[n].takes > 0 -> take(n) }
    /* Nobody listens any more, and all is confirmed: the row is free. */
    :: d_step { works(n) && node[n].gives_back && node[n].is_owner ->
        if
        :: node[n].epoch == epoch -> owner = nobody
        :: else
        fi;
        drop(n) }
    /* It writes something, and the fence refuses. What it may write changes nothing here. */
    :: d_step { works(n) && node[n].is_owner && !can_write(n) -> drop(n) }
    /* The end in order. */
    :: d_step { works(n) && node[n].leaves && drains[n] && !node[n].is_owner && node[n].takes == 0 ->
        end(n);
        is_announced[n] = false; lease[n] = 0; drains[n] = false }
    od
}

/* Whether somebody who lives has something to do in this tick. */
#define is_busy(n) \
    (works(n) && (!node[n].has_looked || node[n].takes > 0 || (node[n].gives_back && node[n].is_owner) || \
                  (node[n].leaves && drains[n] && !node[n].is_owner)))

proctype Clock() {
    byte o;
    do
    :: d_step { !is_busy(0) && !is_busy(1) && !is_busy(2) ->
        for (o : 0 .. NODES - 1) {
            if
            :: lease[o] > 0 -> lease[o]--
            :: else
            fi;
            node[o].has_looked = false
        }
        o = 0 }
    od
}

/* Somebody who stays works without n, too. */
#define stays(n) (works(n) && !node[n].leaves)
#define is_dispensable(n) (stays(0) + stays(1) + stays(2) - stays(n) > 0)

proctype Fate() {
    byte n;
    do
    :: d_step { !node[2].is_running && !is_announced[2] && epoch == 1 -> node[2].is_running = true } /* a new one */
    :: atomic { faults > 0 && works(0) + works(1) + works(2) > 0 -> faults--;
        if
        :: works(0) -> n = 0
        :: works(1) -> n = 1
        :: works(2) -> n = 2
        fi;
        if
        :: is_dispensable(n) -> is_harmed = true; end(n)
        :: is_dispensable(n) -> is_harmed = true; node[n].is_hung = true
        :: is_dispensable(n) -> node[n].leaves = true
        :: is_harmed = true; node[n].is_cut_off = true; has_session[n] = false
        fi;
        n = 0 }
    :: d_step { faults > 0 -> faults--;
        for (n : 0 .. NODES - 1) {
            has_session[n] = false;
            node[n].is_cut_off = node[n].is_running
        }
        n = 0 }
    :: d_step { node[0].is_hung -> node[0].is_hung = false }
    :: d_step { node[1].is_hung -> node[1].is_hung = false }
    :: d_step { node[2].is_hung -> node[2].is_hung = false }
    od
}

init {
    node[0].is_running = true;
    node[1].is_running = true;
    atomic { run Keeper(0); run Keeper(1); run Keeper(2); run Engine(0); run Engine(1); run Engine(2); run Clock(); run Fate() }
}

#define rules(n) (works(n) && node[n].is_owner && node[n].epoch == epoch && owner == n)

/* Never can two nodes write, and who can is the one that the row names. */
ltl one_writes {
    [] ((can_write(0) -> owner == 0) && (can_write(1) -> owner == 1) && (can_write(2) -> owner == 2))
}
/* In the end one node that works owns the partition, and keeps it. */
ltl settles { <> [] (rules(0) || rules(1) || rules(2)) }
