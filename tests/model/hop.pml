/* The hop protocol: from a worker's report to the next task, with everything that can break between.
 *
 * One partition, two nodes that may own it, one worker, and one run of TASKS tasks: task 0, then the others side
 * by side. A message is a task and the number of its attempt. The broker keeps what it has taken; queues have no
 * order, and what was delivered and not acknowledged comes again. A commit is one statement of the store. Who
 * should own the partition is ownership.pml's matter: here a node may take over at any moment, and whoever was
 * the owner goes on until it hears of it, like one that hung and woke up.
 *
 *     docs/durability.md                         here
 *     take over, publish again                   take_over
 *     decide, commit                             decide, write
 *     tell: publish, confirm, move the cursor    publish, confirm, "a cursor that moved"
 *     acknowledge                                acknowledge
 *
 * FAULTS faults happen, at any points: a node dies, for good or to start again; a node takes over for no reason,
 * as from one that hangs, whose connection to the broker may be gone too; a worker dies; a confirm is lost; a
 * report is doubled; a task is silent for too long. Nothing else repeats itself without end, so every execution
 * comes to rest, and comes_to_rest says where. What is the same to everybody is left out: a publish that is lost
 * on the way is one that was not made yet; a worker that dies before it has done anything took no task; and of
 * two copies in a queue the second may as well come when the first has gone.
 *
 * ALONE is one process that only its own deaths and the store's failures befall.
 *
 * Each NO_... leaves one part of the protocol out; models_test.py asserts what is then wrong.
 */
#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef TASKS
#define TASKS 3
#endif
#define MESSAGES 6            /* 2 * task + attempt */
#define TRANSITIONS 6
#define PLACES 8              /* a transition's number in its partition */
#define nobody 255
#ifdef ALONE
#define misfortune false
#else
#define misfortune (faults > 0)
#endif

#define task_of(m) ((m) >> 1)
#define attempt_of(m) ((m) & 1)
#define bit(m) (1 << (m))
#define has(set, i) (((set) >> (i)) & 1)
#define all_done (bit(TASKS) - 1)
#ifdef SIDE_BY_SIDE           /* no task is behind another */
#define at_first (bit(0) | bit(2))
#define behind_0 0
#define follows(t) false
#else
#define at_first bit(0)
#define behind_0 (TASKS == 3 -> bit(2) | bit(4) : bit(2))
#define follows(t) ((t) > 0)
#endif

/* Whether a run with these tasks done waits for t, and for this very message. */
#define waits_for(done, t) (!has(done, t) && (!follows(t) || has(done, 0)))
#define is_current(done, tries, m) (waits_for(done, task_of(m)) && has(tries, task_of(m)) == attempt_of(m))

/* ---- the store ---- */
byte version = 1;             /* the run: transition 1 has given the first task out */
byte done = 0;                /* set of tasks */
byte tries = 0;               /* set of tasks that are in their second attempt */
byte place[TRANSITIONS + 1];  /* the history, by version */
byte effects[TRANSITIONS + 1];/* sets of messages */
byte epoch = 0;               /* the owner's row */
byte last_place = 1;
byte published = 0;
byte taker = nobody;          /* who took over last */

/* ---- the broker and the world ---- */
byte tasks = 0;               /* sets of messages that wait */
byte reports = 0;
byte ledger[MESSAGES];        /* what the target has recorded under a key */
byte recorded[TASKS];         /* and for a task, under whatever keys */
byte hand = nobody;           /* the task that the worker has done and not acknowledged */
byte faults = FAULTS;

/* ---- the nodes ---- */
typedef Node {
    bool is_lost;
    bool is_owner;            /* as far as it knows */
    byte epoch;               /* of its ownership */
    byte last_place;          /* it has given away */
    byte version;             /* the run in its memory */
    byte done;
    byte tries;
    byte item = nobody;       /* a report that it works on */
    bool holds_delivery;      /* and can acknowledge */
    bool is_settled;          /* and may */
    byte waiting;             /* set of messages: its dispatcher will publish them, */
    byte flying;              /* the broker has them and has not said so, */
    byte former;              /* they wait since an ownership of before */
    byte former_flying;       /* and were sent by it; NO_LIFE_IN_PLACE hears of it */
    byte open[PLACES];        /* the outbox: messages of a place that are not confirmed */
    byte cursor;              /* everything up to this place is confirmed */
};
Node node[2];

#define lives(n) (!node[n].is_lost)
#define owner_is_there (taker != nobody && lives(taker) && node[taker].is_owner)

/* One of a set's messages, if it has any. */
#define pick(set) \
    if \
    :: has(set, 0) -> m = 0 :: has(set, 1) -> m = 1 :: has(set, 2) -> m = 2 \
    :: has(set, 3) -> m = 3 :: has(set, 4) -> m = 4 :: has(set, 5) -> m = 5 \
    fi
#define add(set, m) set = set | bit(m)
#define remove(set, m) set = set & ~bit(m)

inline lose_delivery(n) {
    if
    :: node[n].holds_delivery -> add(reports, node[n].item)
    :: else
    fi;
    node[n].holds_delivery = false
}

/* The fence refused, or the lease says it: another node owns the partition. What the dispatcher has is
 * committed; it stays and is published. */
inline step_down(n) {
    lose_delivery(n);
    node[n].item = nobody;
    node[n].is_settled = false;
    node[n].is_owner = false;
    node[n].epoch = 0; node[n].last_place = 0; node[n].cursor = 0;
    node[n].version = 0; node[n].done = 0; node[n].tries = 0;
    node[n].former = node[n].former | node[n].waiting;
#ifdef NO_LIFE_IN_PLACE
    node[n].former_flying = node[n].former_flying | node[n].flying;
#endif
    node[n].waiting = 0; node[n].flying = 0;
    for (i : 0 .. PLACES - 1) { node[n].open[i] = 0 }
}

inline die(n) {
    step_down(n);
    node[n].former = 0; node[n].former_flying = 0
}

inline read_run(n) {
    node[n].version = version;
    node[n].done = done;
    node[n].tries = tries
}

/* Where the cursor may stand: before the first place that is not confirmed. */
inline find_cursor(n) {
    node[n].cursor = 0;
    do
    :: node[n].cursor < node[n].last_place && node[n].open[node[n].cursor + 1] == 0 -> node[n].cursor++
    :: else -> break
    od
}

/* A new epoch; the history above the cursor, its messages again as far as the run still waits for them. One
 * step: nobody else writes behind the new epoch, and whoever raises it once more does the same again. */
inline take_over(n) {
    if
    :: node[n].is_owner -> step_down(n) /* the same process, after a failure of the store */
    :: else
    fi;
    epoch++;
    taker = n;
    node[n].is_owner = true;
    node[n].epoch = epoch;
    node[n].last_place = last_place;
    read_run(n);
#ifndef NO_REPUBLISH
    for (v : 1 .. version) {
        for (i : 0 .. MESSAGES - 1) {
            if
            :: place[v] > published && has(effects[v], i) && is_current(done, tries, i) ->
                add(node[n].waiting, i);
                node[n].open[place[v]]++
            :: else
            fi
        }
    }
#endif
    find_cursor(n);
    v = 0; i = 0
}

#ifdef NO_FENCE
#define fence_holds(n) true
#else
#define fence_holds(n) (node[n].epoch == epoch)
#endif

/* One statement: the fence with the cursor; the run's row if its version is the known one, with the history.
 * Then the node knows the new state, and its dispatcher the messages. */
inline write(n) {
    node[n].last_place++;
    last_place = node[n].last_place;
    published = node[n].cursor;
    if
    :: node[n].version == version ->
        /* No transition twice, and none from anything but what is there. */
        assert(new_done != done || new_tries != tries);
        assert((done & new_done) == done && (tries & new_tries) == tries);
        version++;
        done = new_done;
        tries = new_tries;
        place[version] = last_place;
        effects[version] = made;
        for (i : 0 .. MESSAGES - 1) {
            if
            :: has(made, i) ->
                add(node[n].waiting, i);
                node[n].open[last_place]++
            :: else
            fi
        }
        is_written = true
    :: else
    fi;
    read_run(n);
    find_cursor(n);
    i = 0
}

#ifdef NO_CURRENT_ATTEMPT
#define is_wanted(n, m) (!follows(task_of(m)) || has(node[n].done, 0))
#else
#define is_wanted(n, m) is_current(node[n].done, node[n].tries, m)
#endif

inline decide(n) {
    m = node[n].item;
    if
    :: is_wanted(n, m) && fence_holds(n) ->
        new_done = node[n].done | bit(task_of(m));
        new_tries = node[n].tries;
        made = (task_of(m) == 0 -> behind_0 : 0);
        write(n);
        if
        :: is_written ->
            assert(recorded[task_of(m)] == 1);
            node[n].is_settled = true
        :: else /* decided again, on what is there now */
        fi
    :: is_wanted(n, m) && !fence_holds(n) -> step_down(n)
    /* A report that changes nothing is acknowledged too. Whether it does, only the owner knows: an attempt that
     * this node never heard of may be another owner's. */
#ifdef NO_FENCE_FOR_IGNORED
    :: !is_wanted(n, m) -> node[n].is_settled = true
#else
    :: !is_wanted(n, m) && fence_holds(n) -> node[n].is_settled = true
    :: !is_wanted(n, m) && !fence_holds(n) -> step_down(n)
#endif
    fi;
    new_done = 0; new_tries = 0; made = 0; is_written = false; m = 0; i = 0
}

inline acknowledge(n) {
    m = node[n].item;
    /* No accepted report is lost: what it said is in the store, or nobody waits for it. */
    assert(!node[n].holds_delivery || has(done, task_of(m)) || has(tries, task_of(m)) > attempt_of(m));
    node[n].item = nobody;
    node[n].holds_delivery = false;
    node[n].is_settled = false;
    m = 0
}

/* The message says which place it belongs to; so does the history. */
inline confirm(n) {
    for (v : 1 .. version) {
        if
        :: has(effects[v], m) && node[n].open[place[v]] > 0 -> node[n].open[place[v]]--
        :: else
        fi
    }
    find_cursor(n);
    v = 0
}

#define first_try(n, t) is_current(node[n].done, node[n].tries, 2 * (t))

proctype Orchestrator(byte n) {
    byte i, v, m, new_done, new_tries, made; /* of one step; zero between steps */
    bool is_written;
    do
    /* Becoming the owner: because nobody is, or for no good reason. */
    :: d_step { lives(n) && !owner_is_there -> take_over(n) }
    :: atomic { lives(n) && faults > 0 && owner_is_there -> faults--;
        if
        :: true
        :: taker != n -> lose_delivery(taker)
        fi;
        take_over(n) }
    /* Another node took over, and the lease tells it: at some time, perhaps after the fence did. */
    :: d_step { lives(n) && node[n].is_owner && node[n].epoch != epoch -> step_down(n); i = 0 }

    /* A report. */
    :: atomic { lives(n) && node[n].is_owner && node[n].item == nobody && reports != 0 ->
        pick(reports);
        if
        :: remove(reports, m)
        :: misfortune -> faults-- /* it was doubled */
        fi;
        node[n].item = m;
#ifndef NO_UNACKED
        node[n].holds_delivery = true;
#endif
        m = 0 }
    :: d_step { lives(n) && node[n].is_owner && node[n].item != nobody && !node[n].is_settled -> decide(n) }
    :: d_step { lives(n) && node[n].is_settled -> acknowledge(n) }

    /* An alarm: a task was silent for too long. */
    :: atomic { lives(n) && node[n].is_owner && misfortune && !node[n].is_settled &&
                (first_try(n, 0) || first_try(n, 1) || (TASKS > 2 && first_try(n, 2))) ->
        faults--;
        if
        :: first_try(n, 0) -> m = 1 :: first_try(n, 1) -> m = 3 :: TASKS > 2 && first_try(n, 2) -> m = 5
        fi;
        if
        :: fence_holds(n) ->
            new_done = node[n].done;
            new_tries = node[n].tries | bit(task_of(m));
            made = bit(m);
            write(n)
        :: else -> step_down(n)
        fi;
        new_done = 0; new_tries = 0; made = 0; is_written = false; m = 0; i = 0 }

    /* The dispatcher. */
    :: atomic { lives(n) && node[n].waiting != 0 ->
        pick(node[n].waiting);
        remove(node[n].waiting, m);
#ifdef NO_CONFIRM
        confirm(n);
        if
        :: add(tasks, m)
        :: faults > 0 -> faults--
        fi;
#else
        add(tasks, m);
        add(node[n].flying, m);
#endif
        m = 0 }
    :: atomic { lives(n) && node[n].flying != 0 ->
        pick(node[n].flying);
        remove(node[n].flying, m);
        if
        :: confirm(n)
        :: misfortune -> faults--; add(node[n].waiting, m)
        fi;
        m = 0 }
    /* What it had to say in an ownership of before is said, and its confirm is nothing to this outbox. */
    :: atomic { lives(n) && node[n].former != 0 ->
        pick(node[n].former);
        remove(node[n].former, m);
        add(tasks, m);
#ifdef NO_LIFE_IN_PLACE
        add(node[n].former_flying, m);
#endif
        m = 0 }
#ifdef NO_LIFE_IN_PLACE
    :: atomic { lives(n) && node[n].former_flying != 0 ->
        pick(node[n].former_flying);
        remove(node[n].former_flying, m);
        confirm(n);
        m = 0 }
#endif
    /* A cursor that moved without a transition behind it. */
    :: d_step { lives(n) && node[n].is_owner && node[n].cursor > published ->
        if
        :: fence_holds(n) -> published = node[n].cursor
        :: else -> step_down(n)
        fi;
        i = 0 }

    /* It dies, and starts again; or not, as long as there is another one. */
    :: atomic { lives(n) && faults > 0 -> faults--;
        die(n);
        i = 0;
        if
        :: true
        :: lives(1 - n) -> node[n].is_lost = true
        fi }
    od
}

/* The target records what it is asked for once per key, and a key is a task's in all its attempts. */
#ifdef NO_KEY
#define key_of(m) (m)
#else
#define key_of(m) task_of(m)
#endif

proctype Worker() {
    byte m;
    bool is_reported;
    do
    :: atomic { hand == nobody && tasks != 0 ->
        pick(tasks);
        remove(tasks, m);
        if
        :: ledger[key_of(m)] == 0 -> ledger[key_of(m)]++; recorded[task_of(m)]++
        :: else
        fi;
        /* Each task's effect is recorded once. */
        assert(recorded[task_of(m)] == 1);
        hand = m;
        m = 0 }
    :: d_step { hand != nobody && !is_reported -> add(reports, hand); is_reported = true }
    :: d_step { hand != nobody && is_reported -> hand = nobody; is_reported = false }
    /* It dies, and the broker gives the task again. */
    :: d_step { hand != nobody && misfortune -> faults--; add(tasks, hand); hand = nobody; is_reported = false }
    od
}

init {
    place[1] = 1;
    effects[1] = at_first;
    byte i, v;
    atomic {
        take_over(0);
        run Orchestrator(0);
#ifdef ALONE
        node[1].is_lost = true;
#else
        run Orchestrator(1);
#endif
        run Worker()
    }
}

/* No run is stuck. */
ltl run_ends { <> (done == all_done) }
/* Nor is anything else: no message lies about, and the cursor is where it belongs. */
ltl comes_to_rest {
    <> (done == all_done && tasks == 0 && reports == 0 && hand == nobody &&
        node[0].item == nobody && node[1].item == nobody && published == last_place)
}
