package payack_test

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/payack/payack"
)

// reasons lists the closed set of reasons that operators rely on, with what each
// means for a program.
var reasons = []struct {
	reason  payack.Reason
	outcome payack.Outcome
	is      error // nil: the failure lies on the merchant's side
}{
	{"method", payack.OutcomeRefused, payack.ErrRefused},
	{"content_type", payack.OutcomeRefused, payack.ErrRefused},
	{"content_encoding", payack.OutcomeRefused, payack.ErrRefused},
	{"too_large", payack.OutcomeRefused, payack.ErrTooLarge},
	{"address", payack.OutcomeRefused, payack.ErrRefused},
	{"rate", payack.OutcomeRefused, payack.ErrRefused},

	{"envelope", payack.OutcomeRejected, payack.ErrEnvelope},
	{"malformed", payack.OutcomeRejected, payack.ErrMalformed},
	{"signature", payack.OutcomeRejected, payack.ErrSignature},
	{"invalid", payack.OutcomeRejected, payack.ErrInvalid},
	{"unknown_tenant", payack.OutcomeRejected, payack.ErrUnknownTenant},
	{"spliced", payack.OutcomeRejected, payack.ErrSpliced},
	{"unexpected", payack.OutcomeRejected, payack.ErrUnexpected},
	{"unconfirmed", payack.OutcomeRejected, payack.ErrUnconfirmed},
	{"conflict", payack.OutcomeRejected, payack.ErrConflict},

	{"callback", payack.OutcomeFailed, nil},
	{"panic", payack.OutcomeFailed, nil},
	{"deadline", payack.OutcomeFailed, nil},
	{"busy", payack.OutcomeFailed, payack.ErrBusy},
	{"unreachable", payack.OutcomeFailed, nil},
	{"expectation", payack.OutcomeFailed, nil},
	{"keys", payack.OutcomeFailed, nil},
	{"store", payack.OutcomeFailed, nil},
	{"inbox", payack.OutcomeFailed, nil},
	{"body_consumed", payack.OutcomeFailed, nil},
	{"body_read", payack.OutcomeFailed, nil},
}

var sentinels = []error{
	payack.ErrSignature, payack.ErrEnvelope, payack.ErrMalformed, payack.ErrInvalid, payack.ErrTooLarge,
	payack.ErrRefused, payack.ErrUnknownTenant, payack.ErrSpliced, payack.ErrUnexpected, payack.ErrUnconfirmed,
	payack.ErrConflict, payack.ErrBusy, payack.ErrNotHeld,
}

// constants returns the values of those constants in errors.go that have the type
// typeName.
func constants(t *testing.T, typeName string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); ok && id.Name == typeName {
			for _, v := range spec.Values {
				s, err := strconv.Unquote(v.(*ast.BasicLit).Value)
				if err != nil {
					t.Fatal(err)
				}
				values = append(values, s)
			}
		}
		return true
	})
	return values
}

func TestReasonsAreTheClosedSet(t *testing.T) {
	var want []string
	for _, r := range reasons {
		want = append(want, string(r.reason))
	}
	if got := constants(t, "Reason"); !slices.Equal(got, want) {
		t.Errorf("the reasons are\n%q, want\n%q", got, want)
	}
	outcomes := []string{"accepted", "duplicate", "failed", "rejected", "refused"}
	if got := constants(t, "Outcome"); !slices.Equal(got, outcomes) {
		t.Errorf("the outcomes are %q, want %q", got, outcomes)
	}
}

func TestReasonOutcomeAndSentinel(t *testing.T) {
	if got := payack.Reason("").Outcome(); got != payack.OutcomeAccepted {
		t.Errorf("without a reason the outcome is %s", got)
	}
	for _, r := range reasons {
		t.Run(string(r.reason), func(t *testing.T) {
			if got := r.reason.Outcome(); got != r.outcome {
				t.Errorf("outcome %s, want %s", got, r.outcome)
			}
			err := error(&payack.Error{Provider: payack.PTS, Stage: payack.StageVerify, Reason: r.reason})
			for _, e := range []error{err, fmt.Errorf("receiving: %w", err), errors.Join(errors.New("other"), err)} {
				for _, s := range sentinels {
					want := s == r.is || s == payack.ErrRefused && r.outcome == payack.OutcomeRefused
					if got := errors.Is(e, s); got != want {
						t.Errorf("errors.Is(%q) = %v, want %v", s, got, want)
					}
				}
				var typed *payack.Error
				if !errors.As(e, &typed) || typed.Reason != r.reason || typed.Provider != payack.PTS {
					t.Errorf("errors.As gives %v", typed)
				}
			}
		})
	}
}

// The answer to a rejection depends on whether the signature has matched. It has
// matched for the reasons in the first list. Every other rejection must get the
// answer for a wrong signature.
func TestRejectedAfterItVerified(t *testing.T) {
	after := []payack.Reason{"invalid", "spliced", "unexpected", "unconfirmed", "conflict"}
	before := []payack.Reason{"signature", "envelope", "malformed", "unknown_tenant"}
	for _, r := range reasons {
		if got, want := r.reason.AfterVerified(), slices.Contains(after, r.reason); got != want {
			t.Errorf("%s.AfterVerified() = %v, want %v", r.reason, got, want)
		}
		// Every reason that rejects is in exactly one of the two lists. Any other
		// reason is in neither.
		rows := 0
		if slices.Contains(after, r.reason) {
			rows++
		}
		if slices.Contains(before, r.reason) {
			rows++
		}
		if want := r.outcome == payack.OutcomeRejected; (rows == 1) != want || rows > 1 {
			t.Errorf("%s, which is %s, stands in %d rows", r.reason, r.outcome, rows)
		}
	}
	for _, none := range []payack.Reason{"", "unheard_of", "Invalid"} {
		if none.AfterVerified() {
			t.Errorf("%q.AfterVerified() is true", none)
		}
	}
	if got := payack.Reason("unheard_of").Outcome(); got != payack.OutcomeFailed {
		t.Errorf("an unknown reason is %s: nothing may be lost by it", got)
	}
}

func TestSentinelsDiffer(t *testing.T) {
	texts := make(map[string]bool)
	for i, a := range sentinels {
		for j, b := range sentinels {
			if errors.Is(a, b) != (i == j) {
				t.Errorf("errors.Is(%q, %q) = %v", a, b, i != j)
			}
		}
		if !strings.HasPrefix(a.Error(), "payack: ") || strings.Contains(a.Error(), "\n") || texts[a.Error()] {
			t.Errorf("text %q", a)
		}
		texts[a.Error()] = true
	}
}

type merchantError struct{ code int }

func (e *merchantError) Error() string { return fmt.Sprint("merchant's error ", e.code) }

func TestErrorWrapsTheMerchantsError(t *testing.T) {
	own := &merchantError{42}
	err := fmt.Errorf("outside: %w", &payack.Error{
		Provider: payack.Payatom, Stage: payack.StageCall, Reason: payack.ReasonCallback, EventID: "payatom::O:1:Approved",
		Err: fmt.Errorf("settling: %w", errors.Join(own, context.DeadlineExceeded, fs.ErrNotExist)),
	})
	var typed *merchantError
	if !errors.As(err, &typed) || typed != own {
		t.Errorf("errors.As gives %v", typed)
	}
	if !errors.Is(err, own) || !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, fs.ErrNotExist) {
		t.Error("errors.Is does not reach the merchant's errors")
	}
	if errors.Is(err, fs.ErrExist) {
		t.Error("errors.Is matches what is not there")
	}
	for _, s := range sentinels {
		if errors.Is(err, s) {
			t.Errorf("a callback's failure is %q", s)
		}
	}
	var outer *payack.Error
	if !errors.As(err, &outer) || outer.EventID != "payatom::O:1:Approved" || outer.Unwrap() == nil {
		t.Errorf("errors.As gives %v", outer)
	}
	if (&payack.Error{Reason: payack.ReasonSignature}).Unwrap() != nil {
		t.Error("something is wrapped where nothing was given")
	}
}

func TestErrorText(t *testing.T) {
	for _, c := range []struct {
		err  payack.Error
		want string
	}{
		{payack.Error{Provider: payack.PTS, Reason: payack.ReasonSignature}, "payack: pts: signature"},
		{payack.Error{Provider: payack.Ptop, Reason: payack.ReasonMalformed, Detail: "not valid JSON at byte 7"},
			"payack: ptop: malformed: not valid JSON at byte 7"},
		{payack.Error{Provider: payack.Payatom, Reason: payack.ReasonStore, Err: errors.New("no connection")},
			"payack: payatom: store: no connection"},
		{payack.Error{Provider: payack.PTS, Reason: payack.ReasonCallback, Detail: "the callback failed", EventID: "pts::1:2:3", Err: errors.New("x")},
			"payack: pts: callback: the callback failed: x"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// A merchant's error may have several lines (errors.Join), and text from outside
// may try to forge a log line.
func TestErrorTextIsOneLine(t *testing.T) {
	for _, inner := range []error{
		errors.Join(errors.New("first"), errors.New("second")),
		errors.New("first\r\nsecond"),
		errors.New("first\rsecond\n"),
	} {
		err := &payack.Error{Provider: payack.PTS, Reason: payack.ReasonCallback, Err: inner}
		got := err.Error()
		if strings.ContainsAny(got, "\r\n") || !strings.Contains(got, "first") || !strings.Contains(got, "second") {
			t.Errorf("%q", got)
		}
		if !errors.Is(err, inner) {
			t.Error("the merchant's error is lost")
		}
	}
}
