package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
)

// again makes each run in a process of its own, one after the other. The memory
// layout and the state of pools and maps can make a process faster or slower for as
// long as it runs. Several processes show how much that varies.
func again(runs int, args []string) ([]outcome, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var outcomes []outcome
	for i := range runs {
		fmt.Fprintf(os.Stderr, "run %d of %d\n", i+1, runs)
		cmd := exec.Command(self, append(slices.Clone(args), "-runs", "1", "-figures", "-save", "", "-write", "")...)
		cmd.Stderr = os.Stderr
		printed, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("run %d: %w", i+1, err)
		}
		var o outcome
		if err := json.Unmarshal(printed, &o); err != nil {
			return nil, fmt.Errorf("run %d: %w", i+1, err)
		}
		outcomes = append(outcomes, o)
	}
	return outcomes, nil
}

// findings are the outcomes of all runs, and the environment they were measured in.
type findings struct {
	Environment string
	Runs        []outcome
}

// save keeps findings in a file.
func (f findings) save(file string) error {
	text, err := json.MarshalIndent(f, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

func saved(file string) (f findings, err error) {
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	if err == nil && len(f.Runs) == 0 {
		err = fmt.Errorf("%s has no figures", file)
	}
	return f, err
}
