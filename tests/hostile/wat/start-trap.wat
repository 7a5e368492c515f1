;; Crashes before it was called.

;; -- items
(func $start (unreachable))
(start $start)
