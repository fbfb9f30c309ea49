"""What is heard on a leg: G.711 over RTP, every leg paced by one shared 20 ms ticker."""
