"""Refined masks as annotations that other programs read: COCO, YOLO, GeoJSON."""
