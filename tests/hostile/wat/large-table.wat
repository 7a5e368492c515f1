;; Begins with a table of a million elements.

;; -- items
(table 1000000 funcref)
