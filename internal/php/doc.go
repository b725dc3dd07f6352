// Package php rebuilds the text that a sender in PHP signed if the wire has another
// spelling of it: the text of a number, a JSON body that was decoded and encoded
// again, or a form that was parsed and built again.
//
// All functions follow PHP 8 with its default settings (precision 14,
// serialize_precision -1) on a 64-bit machine. Tests compare them with the output of
// PHP, see testdata/generate.php.
package php
