/*
 * The inbox's protocol: one event of one payment comes as two copies with different
 * handles, to replicas that crash and pause. README.md maps the steps to the code.
 *
 * Each atomic block is a transaction of the database. Between two of them anything
 * may happen: another process goes on, the replica crashes, or it is paused for
 * longer than its lease.
 *
 * A retry waits until it may succeed, so every run ends, and the monitor checks the
 * final state. Each define removes a safeguard.
 */

#ifndef CRASHES
#define CRASHES 1 /* of replicas, together */
#endif
#ifndef PAUSES
#define PAUSES 1 /* of replicas, longer than a lease */
#endif
#define FAILURES 1 /* of the merchant's function */

#define COPIES 2
#define GENUINE 0 /* the provider confirms it */
#define OTHER 1   /* with another handle: a replay, or genuine as well */

/* The states of a row. */
#define NONE 0
#define PENDING 1
#define RUNNING 2
#define FINISHED 3
#define DEAD 4 /* refuted by the provider, whether it gave way or not */

/* The tables. */
byte state[COPIES];   /* inbox.state */
byte token[COPIES];   /* inbox.token of a row that runs */
bool refuted[COPIES]; /* inbox.reason is unconfirmed */
byte held;            /* running: the token of the payment's attempt, 0 for none */
byte mark;            /* once: MARKED, the token of a claim, or 0 for none */
#define TOKENS 7
#define MARKED TOKENS

/* The world. */
byte effects;          /* what the merchant's function has written */
bool acked[COPIES];    /* what the provider was told */
bool confirms[COPIES]; /* the provider's answer about a handle */
byte places;           /* for waiting copies */
byte crashes, pauses, failures;
bool used[TOKENS]; /* by a running or paused attempt */
bool live[TOKENS]; /* its lease is renewed */

#ifdef RIVER
byte jobs[COPIES]; /* that River will work */
#define JOB(v) jobs[v]++
#define HASJOB(v) (jobs[v] > 0)
#else
#define JOB(v) skip
#define HASJOB(v) true
#endif

#define WAITS(v) (state[v] == PENDING || state[v] == RUNNING)
#ifdef NO_GIVING_WAY
#define TAKES(v) (WAITS(v) || state[v] == DEAD)
#else
#define TAKES(v) (WAITS(v) && !refuted[v])
#endif
#ifdef ONE_ROW /* with the handle of the first copy */
byte handle;
#define ROW(v) 0
#define HANDLE(v) handle
#define FIRST(v) handle = v
#else
#define ROW(v) v
#define HANDLE(v) v
#define FIRST(v) skip
#endif
#ifdef NO_HOLD
#define FREE true
#else
#define FREE (held == 0)
#endif
#ifdef NO_TOKENS
#define OURS(v, t) true
#else
#define OURS(v, t) (state[v] == RUNNING && token[v] == t)
#endif
#ifdef NO_TAKING_OVER
#define CLAIMABLE (mark == 0)
#else
#define CLAIMABLE (mark == 0 || mark != MARKED && !live[mark])
#endif

inline set(v, s) {
	assert(state[v] != FINISHED || s == FINISHED); /* a done row never changes */
	state[v] = s;
	if
	:: s != RUNNING -> token[v] = 0
	:: else
	fi
}

#define KNOWN(v) (mark == MARKED || WAITS(v) || state[v] == FINISHED)
#define ROOM(v) (state[v] == DEAD || places > (TAKES(1 - v) -> 1 : 0))

/* The provider sends until it is acknowledged, and may send once more, as when the
 * answer was lost. */
proctype sender(byte v) {
	bool again;
send:
#ifdef ACKNOWLEDGED_FIRST
	acked[v] = true;
	if
	:: atomic { crashes < CRASHES -> crashes++; goto sent }
	:: true
	fi;
#endif
	atomic { /* keep.go: look up, insert what is unknown, commit */
		if
		:: KNOWN(ROW(v))
		:: !KNOWN(ROW(v)) && ROOM(ROW(v)) ->
			if
			:: state[ROW(v)] == NONE -> FIRST(v)
			:: else
			fi;
			set(ROW(v), PENDING);
			JOB(ROW(v))
		fi /* otherwise the provider is asked to deliver again */
	}
	atomic {
		if
		:: !again -> again = true; goto send /* the answer was lost */
		:: acked[v] = true
		fi
	}
sent:	atomic {
		if
		:: !again -> again = true; goto send
		:: true
		fi
	}
}

mtype = { failed, succeeded, duplicate, unconfirmed };

/* The replica no longer knows the attempt. */
inline forget(t) {
	live[t] = false; used[t] = false;
	v = 0; t = 0; ended = failed
}

/* What may happen to a replica between two steps. */
inline peril() {
	atomic {
		if
		:: crashes < CRASHES -> crashes++; forget(t); goto begin
		:: pauses < PAUSES && live[t] -> pauses++; live[t] = false
		:: true
		fi
	}
}

proctype worker() {
	byte v, t;
	mtype ended = failed;
begin:
end:	atomic { /* lease.go: an attempt of the payment begins */
		if
		:: FREE && state[0] == PENDING && HASJOB(0) && (mark == MARKED || CLAIMABLE) -> v = 0
		:: FREE && state[1] == PENDING && HASJOB(1) && (mark == MARKED || CLAIMABLE) -> v = 1
		fi;
		assert(held == 0 || !live[held]); /* one attempt at a time */
		t = 1;
		do
		:: used[t] || held == t || mark == t || token[0] == t || token[1] == t -> t++
		:: else -> break
		od;
		used[t] = true; live[t] = true;
		held = t; token[v] = t;
		set(v, RUNNING);
#ifdef RIVER
		jobs[v]--
#endif
	}
	peril();
	if /* the provider is asked; no claim is held meanwhile */
	:: !confirms[HANDLE(v)] -> ended = unconfirmed; goto settle
	:: confirms[HANDLE(v)]
	fi;
	atomic { /* sqlstore: the event is claimed */
		if
		:: mark == MARKED -> ended = duplicate; goto settle
		:: mark != MARKED && CLAIMABLE -> mark = t
		:: mark != MARKED && !CLAIMABLE -> goto settle /* busy */
		fi
	}
	peril();
#ifdef NO_TRANSACTION
	effects++;
	assert(effects <= 1);
	peril();
#endif
	atomic { /* InTx: the marks and what the function wrote commit together, or not at all */
		if
		:: failures < FAILURES -> failures++
		:: mark == t && OURS(v, t) ->
			set(v, FINISHED);
#ifdef NO_MARK
			mark = 0;
#else
			mark = MARKED;
#endif
#ifndef NO_TRANSACTION
			effects++;
			assert(effects <= 1); /* exactly once */
#endif
			ended = succeeded;
			goto settle
		:: !(mark == t && OURS(v, t)) /* taken over */
		fi
	}
	atomic { /* sqlstore: the claim is given up, by its token */
		if
		:: ended == failed && mark == t -> mark = 0
		:: else
		fi
	}
settle:
	peril();
	atomic { /* settle.go: the row records the end, if it is still ours */
		if
		:: OURS(v, t) && ended == failed -> set(v, PENDING)
		:: OURS(v, t) && ended == unconfirmed -> set(v, DEAD); refuted[v] = true
		:: OURS(v, t) && ended != failed && ended != unconfirmed -> set(v, FINISHED)
		:: !OURS(v, t)
		fi;
		if
		:: held == t -> held = 0
		:: else
		fi
	}
#ifdef RIVER
	peril();
	atomic { /* River: the job is retried, in a transaction of its own */
		if
		:: ended == failed -> JOB(v)
		:: else
		fi
	}
#endif
	atomic { forget(t); goto begin }
}

/* crashed.go: the row of an attempt whose lease has ended is due again */
proctype recovery() {
end:	do
	:: atomic {
		held != 0 && !live[held] ->
		if
		:: state[0] == RUNNING && token[0] == held -> set(0, PENDING); JOB(0)
		:: state[1] == RUNNING && token[1] == held -> set(1, PENDING); JOB(1)
		:: else
		fi;
		held = 0
	}
	od
}

#ifdef RIVER
/* remind.go: a due row without a job gets one */
proctype reminder() {
end:	do
	:: atomic { state[0] == PENDING && jobs[0] == 0 -> JOB(0) }
	:: atomic { state[1] == PENDING && jobs[1] == 0 -> JOB(1) }
	od
}
#endif

init {
	atomic {
		confirms[GENUINE] = true;
		if
		:: confirms[OTHER] = true
		:: true
		fi;
		if
		:: places = 1
		:: places = COPIES
		fi;
		run sender(GENUINE);
		run sender(OTHER);
		run worker();
		run worker();
#ifndef NO_RECOVERY
		run recovery();
#endif
#if defined(RIVER) && !defined(NO_REMINDER)
		run reminder();
#endif
	}
	timeout -> /* no step is left */
	assert(!acked[GENUINE] || effects == 1); /* no acknowledged event is lost */
	assert(acked[GENUINE]);                  /* the genuine copy got in */
	assert(mark == MARKED && held == 0);
	assert(!WAITS(GENUINE) && !WAITS(OTHER))
}
