package inspector

import "time"

// Counted returns how many deliveries were counted within the last hour and day.
func Counted(i *Inspector) (n [2]int) {
	for _, l := range i.counts.table(time.Now(), false) {
		n[0], n[1] = n[0]+l.Hour, n[1]+l.Day
	}
	return n
}

// Looks reports whether a goroutine looks for changes.
func Looks(i *Inspector) bool {
	i.live.mu.Lock()
	defer i.live.mu.Unlock()
	return i.live.looks
}
