package docs_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/payack/payack"
	"github.com/payack/payack/internal/testserver"
	"github.com/payack/payack/payacktest"
)

// TestSmallestReceiver builds the README's first program, runs it with two
// environment variables set, and posts callbacks to it.
func TestSmallestReceiver(t *testing.T) {
	const address = "127.0.0.1:8080"
	program := blocks(t, "go")[0]
	require.Equal(t, "README.md", program.Page)
	require.Contains(t, program.Text, address)
	port, err := testserver.FreePort()
	require.NoError(t, err)
	at := fmt.Sprint("127.0.0.1:", port)
	binary := filepath.Join(t.TempDir(), "smallest")
	files := map[string]string{"smallest/main.go": strings.Replace(program.Text, address, at, 1)}
	out, err := inWorkspace(t, files, "build", "-o", binary, "./smallest").CombinedOutput()
	require.NoError(t, err, "%s", out)

	keys := payacktest.NewPTSKeys()
	var log bytes.Buffer
	run := exec.Command(binary)
	run.Env = append(os.Environ(), "PTS_SAFECODE="+keys.Safecode.Reveal(), "PTS_PUBLIC_KEY="+keys.PublicKey)
	run.Stderr = &log
	require.NoError(t, run.Start())
	ended := make(chan error, 1)
	go func() { ended <- run.Wait() }()
	t.Cleanup(func() { _ = run.Process.Kill() })

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for {
		c, err := net.Dial("tcp", at)
		if err == nil {
			c.Close()
			break
		}
		select {
		case err := <-ended:
			t.Fatalf("the program ended: %v\n%s", err, log.String())
		case <-ctx.Done():
			t.Fatal("the program does not listen")
		case <-time.After(10 * time.Millisecond):
		}
	}

	paid := payacktest.PTS(keys).Order("ORD-1").Amount("100.50").Callback(t)
	for _, sent := range []payacktest.Callback{paid.Tampered(t, payacktest.FlipSignature), paid} {
		res, err := sent.Post(ctx, nil, "http://"+at+"/callbacks/pts")
		require.NoError(t, err)
		if sent.Equal(paid) {
			payacktest.Accepted(t, payack.PTS, res)
		} else {
			payacktest.Rejected(t, payack.PTS, res)
		}
	}
	require.NoError(t, run.Process.Kill())
	<-ended
	require.Equal(t, 1, strings.Count(log.String(), "order ORD-1: paid true, 100.50"), log.String())
}
